// SPDX-License-Identifier: Apache-2.0
#include "transfer/client/client.h"

#include <cstdlib>
#include <fcntl.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include "base/strings.h"
#include "os/process.h"
#include "transfer/client/protocol.h"

namespace servin::transfer {

namespace {

using Json = nlohmann::json;

constexpr std::size_t max_line = 64U << 20U;  // a list of 100,000 tags
constexpr std::size_t receive_size = 64U << 10U;
const std::string empty;

ErrorCode code_of(const std::string& word) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i)
    if (to_string(static_cast<ErrorCode>(i)) == word) return static_cast<ErrorCode>(i);
  return ErrorCode::internal;
}

Error gone() {
  return Error(ErrorCode::internal, "servin-transfer ended in the middle of its work")
      .with_id("E-TRANSFER-LOST")
      .with_hint("try again");
}

Error no_sense() {
  return Error(ErrorCode::data_loss, "servin-transfer sent something that makes no sense").with_id("E-TRANSFER-LOST");
}

Error failure_of(const Json& json) {
  auto text = [&](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
  };
  Error e(code_of(text("code")), printable(text("message")));
  e.with_hint(printable(text("hint")));
  if (std::string id = text("error_id"); id.starts_with("E-") && id.size() < 64) e.with_id(printable(id));
  return e;
}

void read_found(const Json& list, Answer& answer) {
  for (const Json& item : list) {
    if (!item.is_object()) throw no_sense();
    answer.found.push_back({item.value("name", ""), item.value("description", ""),
                            item.value("stars", std::uint64_t{0}), item.value("official", false)});
  }
}

Answer parse_answer(std::string_view line) {
  Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("id") || !json["id"].is_number_unsigned()) throw no_sense();
  Answer answer;
  answer.id = json["id"].get<std::uint64_t>();
  if (json.contains("progress")) {
    if (json["progress"].is_number_unsigned()) answer.progress = json["progress"].get<std::uint64_t>();
    return answer;
  }
  answer.finished = true;
  if (json.contains("error")) {
    answer.failure = failure_of(json["error"]);
    return answer;
  }
  if (!json.contains("result") || !json["result"].is_object()) throw no_sense();
  for (const auto& [key, value] : json["result"].items()) {
    if (value.is_string()) answer.values[key] = value.get<std::string>();
    if (value.is_number_unsigned()) answer.values[key] = std::to_string(value.get<std::uint64_t>());
    if (!value.is_array()) continue;
    if (key == "results") {
      read_found(value, answer);
      continue;
    }
    for (const Json& item : value)
      if (item.is_string()) answer.lists[key].push_back(item.get<std::string>());
  }
  return answer;
}

/// SERVIN_TRANSFER_STALL, SERVIN_TRANSFER_TRIES: for very slow lines (and for the tests).
void add_number(Json& json, const char* key, const char* variable, std::uint64_t most) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return;
  auto number = parse_u64(text);
  if (!number || *number == 0 || *number > most)
    throw error(ErrorCode::invalid_argument, "{}={}: not a number from 1 to {}", variable, printable(text), most)
        .with_id("E-OPTION-VALUE");
  json[key] = *number;
}

}  // namespace

const std::string& Answer::value(const std::string& key) const {
  auto at = values.find(key);
  return at == values.end() ? empty : at->second;
}

Client::Client() {
  SocketPair pair = make_socket_pair(SOCK_STREAM);
  Fd err(::fcntl(2, F_DUPFD_CLOEXEC, 3));
  SpawnOptions options;
  options.program = companion_program("servin-transfer");
  options.args = {"servin-transfer"};
  options.fds = {{&pair.b, protocol::control_descriptor}};
  if (err) options.fds.emplace_back(&err, 2);
  options.cwd = "/";
  pid_ = spawn(options);
  socket_ = std::move(pair.a);
}

Client::~Client() {
  socket_.reset();
  ::kill(pid_, SIGKILL);
  try {
    wait_child(pid_);
  } catch (const Error&) {
    // Somebody else has reaped it.
  }
}

std::uint64_t Client::add(const Registry& r) {
  std::uint64_t number = next_++;
  Json json = {{"op", "endpoint"},
               {"endpoint", number},
               {"host", r.host},
               {"insecure", r.insecure},
               {"ca", r.ca},
               {"cert", r.cert},
               {"key", r.key},
               {"user", r.user},
               {"password", r.password},
               {"identity_token", r.identity_token},
               {"registry_token", r.registry_token},
               {"http_proxy", r.http_proxy},
               {"https_proxy", r.https_proxy},
               {"no_proxy", r.no_proxy},
               {"token_servers", r.token_servers}};
  add_number(json, "stall_seconds", "SERVIN_TRANSFER_STALL", 3600);
  add_number(json, "tries", "SERVIN_TRANSFER_TRIES", 20);
  send_with_fds(socket_, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", nullptr, 0);
  return number;
}

std::uint64_t Client::send(const Request& request) {
  std::uint64_t id = next_++;
  Json json = {{"id", id}, {"endpoint", request.endpoint}, {"op", request.op}, {"fd", request.fd != nullptr}};
  for (const auto& [key, value] : request.text) json[key] = value;
  for (const auto& [key, value] : request.numbers) json[key] = value;
  json["from"] = request.from;
  std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  send_with_fds(socket_, line, &request.fd, request.fd == nullptr ? 0 : 1);
  return id;
}

bool Client::has_line() const { return pending_.find('\n') != std::string::npos; }

Answer Client::receive() {
  while (!has_line()) {
    Received received;
    try {
      received = receive_with_fds(socket_, receive_size);
    } catch (const Error& e) {
      if (e.sys_errno() != ECONNRESET) throw;
    }
    if (received.data.empty()) throw gone();
    pending_ += received.data;
    if (pending_.size() > max_line) throw no_sense();
  }
  std::size_t end = pending_.find('\n');
  std::string line = pending_.substr(0, end);
  pending_.erase(0, end + 1);
  try {
    return parse_answer(line);
  } catch (const Json::exception&) {
    throw no_sense();  // a field of another type
  }
}

Answer Client::call(const Request& request) {
  std::uint64_t id = send(request);
  for (;;) {
    Answer answer = receive();
    if (answer.id != id || !answer.finished) continue;
    if (answer.failure) throw Error(*answer.failure);
    return answer;
  }
}

}  // namespace servin::transfer
