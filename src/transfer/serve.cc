// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unistd.h>

#include <curl/curl.h>

#include "base/strings.h"
#include "base/time.h"
#include "transfer/client/protocol.h"
#include "transfer/operations.h"
#include "transfer/sandbox.h"
#include "transfer/transfer.h"

namespace servin::transfer {

namespace {

constexpr std::size_t receive_size = 64U << 10U;
constexpr std::int64_t progress_interval = 100'000'000;  // ns

EndpointConfig endpoint_config(const Json& json) {
  EndpointConfig c;
  auto text = [&](const char* key) { return json.value(key, std::string()); };
  c.host = text("host");
  c.insecure = json.value("insecure", false);
  c.ca = text("ca");
  c.cert = text("cert");
  c.key = text("key");
  c.user = text("user");
  c.password = text("password");
  c.identity_token = text("identity_token");
  c.registry_token = text("registry_token");
  c.http_proxy = text("http_proxy");
  c.https_proxy = text("https_proxy");
  c.no_proxy = text("no_proxy");
  c.token_servers = text("token_servers");
  c.stall_seconds = json.value("stall_seconds", c.stall_seconds);
  c.tries = json.value("tries", c.tries);
  return c;
}

struct Job {
  Json request;
  Fd fd;
};

class Server {
 public:
  explicit Server(Fd control) : control_(std::move(control)) {}

  void run() {
    std::string pending;
    std::deque<Fd> fds;
    for (;;) {
      Received received = receive_with_fds(control_, receive_size);
      if (received.data.empty()) break;
      for (std::size_t i = 0; i < received.fd_count; ++i) fds.push_back(std::move(received.fds[i]));
      pending += received.data;
      std::size_t start = 0;
      for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', start)) {
        accept(Json::parse(pending.substr(start, end - start)), fds);
        start = end + 1;
      }
      pending.erase(0, start);
    }
    // The engine is done with us, or gone: so are we, whatever is under way.
    ::_exit(0);
  }

 private:
  void accept(Json request, std::deque<Fd>& fds) {
    if (request.at("op") == "endpoint") {
      auto number = request.at("endpoint").get<std::uint64_t>();
      std::unique_lock lock(mutex_);
      endpoints_[number] = std::make_unique<Endpoint>(endpoint_config(request));
      return;
    }
    Job job{std::move(request), {}};
    if (job.request.value("fd", false)) {
      if (fds.empty()) throw Error(ErrorCode::internal, "a request came without its descriptor");
      job.fd = std::move(fds.front());
      fds.pop_front();
    }
    std::unique_lock lock(mutex_);
    jobs_.push_back(std::move(job));
    if (idle_ < jobs_.size() && threads_ < protocol::max_parallel) {
      ++threads_;
      std::thread([this] { work(); }).detach();
    }
    changed_.notify_one();
  }

  void work() {
    std::map<std::uint64_t, std::unique_ptr<Session>> sessions;
    for (;;) {
      Job job;
      Endpoint* endpoint = nullptr;
      std::uint64_t number = 0;
      {
        std::unique_lock lock(mutex_);
        ++idle_;
        changed_.wait(lock, [this] { return !jobs_.empty(); });
        --idle_;
        job = std::move(jobs_.front());
        jobs_.pop_front();
        number = job.request.value("endpoint", std::uint64_t{0});
        if (auto found = endpoints_.find(number); found != endpoints_.end()) endpoint = found->second.get();
      }
      answer(job, endpoint, endpoint == nullptr ? nullptr : &sessions[number]);
    }
  }

  void answer(Job& job, Endpoint* endpoint, std::unique_ptr<Session>* session) {
    Json reply = {{"id", job.request.at("id")}};
    try {
      if (endpoint == nullptr) throw Error(ErrorCode::internal, "a request for an unknown registry");
      if (!*session) *session = std::make_unique<Session>(endpoint->config(), endpoint->standing());
      std::int64_t told = 0;
      Work work{*endpoint, **session, job.request, std::move(job.fd), {}};
      work.progress = [&](std::uint64_t done) {
        std::int64_t time = monotonic_ns();
        if (time - told < progress_interval) return;
        told = time;
        send({{"id", job.request.at("id")}, {"progress", done}});
      };
      Json result = operate(work);
      work.fd.reset();
      reply["result"] = std::move(result);
    } catch (const Error& e) {
      reply["error"] = {{"code", std::string(to_string(e.code()))},
                        {"message", e.message()},
                        {"hint", e.hint()},
                        {"error_id", e.id()}};
    } catch (const std::exception& e) {
      reply["error"] = {{"code", "internal"},
                        {"message", std::string("servin-transfer: ") + e.what()},
                        {"hint", ""},
                        {"error_id", ""}};
    }
    job.fd.reset();
    try {
      send(reply);
    } catch (const Error&) {
      ::_exit(0);  // the engine is gone: there is nobody to tell
    }
  }

  void send(const Json& json) {
    std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    std::unique_lock lock(send_mutex_);
    send_with_fds(control_, line, nullptr, 0);
  }

  Fd control_;
  std::mutex mutex_, send_mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::map<std::uint64_t, std::unique_ptr<Endpoint>> endpoints_;
  std::size_t idle_ = 0, threads_ = 0;
};

}  // namespace

int serve(Fd control) {
  // Who reads what we write may have heard enough.
  ::signal(SIGPIPE, SIG_IGN);
  try {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 125;
    enter_sandbox();
    Server(std::move(control)).run();
  } catch (const std::exception& e) {
    std::string text = std::string("servin-transfer: ") + e.what() + "\n";
    [[maybe_unused]] auto n = ::write(STDERR_FILENO, text.data(), text.size());
  }
  ::_exit(125);
}

}  // namespace servin::transfer
