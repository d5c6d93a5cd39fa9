// SPDX-License-Identifier: Apache-2.0
#include "network/dns/forwarder.h"

#include <cerrno>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/time.h"

namespace servin::dns {
namespace {

constexpr std::size_t max_tries = 6;
constexpr std::size_t max_open_tries = 2;  // descriptors per question
constexpr unsigned max_wrong_answers = 16;

std::uint16_t random_id() {
  std::uint16_t id = 0;
  while (::getrandom(&id, sizeof id, 0) != sizeof id) {
  }
  return id;
}

Fd connect_to(const SocketAddress& server, int kind) {
  Fd fd(::socket(server.address.v6 ? AF_INET6 : AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  sockaddr_storage raw;
  socklen_t size = server.fill(raw);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0 && errno != EINPROGRESS) fd.reset();
  return fd;
}

}  // namespace

struct Forwarder::Try {
  SocketAddress server;
  Fd fd;
  Loop::Token token = 0;
  std::uint16_t id = 0;
  bool tcp = false;
  unsigned wrong_answers = 0;
  std::string unsent;  // TCP
  FrameReader in{max_message};
};

struct Forwarder::Job {
  ForwardRequest request;
  std::list<Try> tries;
  std::size_t made = 0;  // tries so far
  std::string fallback;  // a server's own failure, should nobody know better
  std::int64_t deadline = 0;
  Loop::Token timer = 0;
};

Forwarder::Forwarder(Loop& loop, Upstreams& upstreams, ForwardLimits limits)
    : loop_(loop), upstreams_(upstreams), limits_(limits) {}

Forwarder::~Forwarder() {
  for (auto& [id, job] : jobs_) {
    loop_.cancel(job->timer);
    for (auto& t : job->tries) loop_.unwatch(t.token, t.fd);
  }
}

Forwarder::Job* Forwarder::find(JobId id) {
  auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

bool Forwarder::start(ForwardRequest& request) {
  std::size_t& of_client = per_client_[request.client];
  if (jobs_.size() >= limits_.total || of_client >= limits_.per_client) {
    if (of_client == 0) per_client_.erase(request.client);
    return false;
  }
  ++of_client;
  JobId id = next_id_++;
  auto job = std::make_unique<Job>();
  job->request = std::move(request);
  job->deadline = monotonic_ns() + limits_.deadline_ns;
  jobs_.emplace(id, std::move(job));
  next_try(id);
  return true;
}

// Asks the next server beside the last one, whose answer is still welcome. After the last server the first is asked
// again: packets get lost.
void Forwarder::next_try(JobId id) {
  Job* job = find(id);
  if (job == nullptr) return;
  loop_.cancel(job->timer);
  std::int64_t now = monotonic_ns();
  const auto& servers = job->request.servers;
  std::size_t before = job->tries.size();
  while (job->made < max_tries && job->tries.size() == before && !servers.empty() && now < job->deadline) {
    if (job->tries.size() >= max_open_tries) {
      drop_try(*job, job->tries.front());
      before = job->tries.size();
    }
    open_udp(id, *job, servers[job->made++ % servers.size()]);
  }
  if (job->tries.empty() || now >= job->deadline) {
    finish(id, std::move(job->fallback));
    return;
  }
  job->timer = loop_.at(std::min(now + limits_.try_ns, job->deadline), [this, id] {
    Job* late = find(id);
    if (late == nullptr) return;
    if (!late->tries.empty()) upstreams_.failed(late->tries.back().server, monotonic_ns());
    next_try(id);
  });
}

void Forwarder::open_udp(JobId id, Job& job, const SocketAddress& server) {
  Fd fd = connect_to(server, SOCK_DGRAM);
  if (!fd) return;
  std::uint16_t number = random_id();
  set_id(job.request.query, number);
  const std::string& query = job.request.query;
  if (::send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) return;
  Try& t = job.tries.emplace_back();
  t.server = server;
  t.fd = std::move(fd);
  t.id = number;
  t.token = loop_.watch(t.fd, EPOLLIN, [this, id, &t](std::uint32_t) { on_udp(id, t); });
}

void Forwarder::open_tcp(JobId id, Job& job, const SocketAddress& server) {
  Fd fd = connect_to(server, SOCK_STREAM);
  if (!fd) return;
  Try& t = job.tries.emplace_back();
  t.server = server;
  t.fd = std::move(fd);
  t.tcp = true;
  t.id = random_id();
  set_id(job.request.query, t.id);
  t.unsent = framed(job.request.query);
  t.token = loop_.watch(t.fd, EPOLLOUT, [this, id, &t](std::uint32_t events) { on_tcp(id, t, events); });
}

void Forwarder::drop_try(Job& job, Try& t) {
  loop_.unwatch(t.token, t.fd);
  job.tries.remove_if([&](const Try& other) { return &other == &t; });
}

// It cannot answer any more: the next one at once, unless another try is still open and young.
void Forwarder::give_up_try(JobId id, Try& t) {
  Job* job = find(id);
  if (job == nullptr) return;
  bool newest = &t == &job->tries.back();
  upstreams_.failed(t.server, monotonic_ns());
  drop_try(*job, t);
  if (!newest) return;
  // A whole round of servers that refuse at once is an answer; asking them again would only be a busy loop.
  if (job->made >= job->request.servers.size() && job->tries.empty())
    finish(id, std::move(job->fallback));
  else
    next_try(id);
}

void Forwarder::on_udp(JobId id, Try& t) {
  char buffer[max_message];
  ssize_t n = ::recv(t.fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    give_up_try(id, t);  // mostly ECONNREFUSED: nobody listens there
    return;
  }
  on_answer(id, t, std::string(buffer, static_cast<std::size_t>(n)));
}

void Forwarder::on_tcp(JobId id, Try& t, std::uint32_t events) {
  if (!t.unsent.empty()) {
    ssize_t n = ::send(t.fd.get(), t.unsent.data(), t.unsent.size(), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) return give_up_try(id, t);
    t.unsent.erase(0, static_cast<std::size_t>(n));
    if (t.unsent.empty()) loop_.change(t.token, t.fd, EPOLLIN);
    return;
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  char buffer[16384];
  ssize_t n = ::recv(t.fd.get(), buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return give_up_try(id, t);
  t.in.feed({buffer, static_cast<std::size_t>(n)});
  if (t.in.damaged()) return give_up_try(id, t);
  if (auto message = t.in.next()) on_answer(id, t, std::move(*message));
}

void Forwarder::on_answer(JobId id, Try& t, std::string bytes) {
  Job* job = find(id);
  if (job == nullptr) return;
  auto answer = parse_message(bytes);
  const Message& asked = job->request.message;
  // Servers that cannot read the query answer without a question.
  bool same_question =
      answer && (answer->question == asked.question || (answer->question_count == 0 && answer->rcode != 0));
  if (!answer || !answer->response || answer->id != t.id || answer->question_count > 1 || !same_question) {
    // Forged, or for somebody else: the true one may still come. Not for ever.
    if (t.tcp || ++t.wrong_answers >= max_wrong_answers) give_up_try(id, t);
    return;
  }
  upstreams_.answered(t.server);
  set_id(bytes, asked.id);
  auto rcode = static_cast<Rcode>(answer->rcode);
  if (rcode == Rcode::server_failure || rcode == Rcode::refused) {
    job->fallback = std::move(bytes);
    SocketAddress server = t.server;
    give_up_try(id, t);
    upstreams_.answered(server);  // it is alive; this name was not for it
    return;
  }
  if (answer->truncated && job->request.tcp && !t.tcp) {
    SocketAddress server = t.server;
    drop_try(*job, t);
    open_tcp(id, *job, server);
    if (job->tries.empty()) next_try(id);
    return;
  }
  if (!job->request.tcp && !asked.edns && bytes.size() > plain_udp_size) bytes = cut_answer(bytes, *answer);
  finish(id, std::move(bytes));
}

void Forwarder::finish(JobId id, std::string answer) {
  auto node = jobs_.extract(id);
  if (node.empty()) return;
  Job& job = *node.mapped();
  loop_.cancel(job.timer);
  for (auto& t : job.tries) loop_.unwatch(t.token, t.fd);
  auto count = per_client_.find(job.request.client);
  if (count != per_client_.end() && --count->second == 0) per_client_.erase(count);
  if (answer.empty()) {
    set_id(job.request.query, job.request.message.id);
    answer = write_answer(job.request.query, job.request.message, {Rcode::server_failure, false, {}}, max_message);
  }
  job.request.reply(std::move(answer));
}

}  // namespace servin::dns
