// SPDX-License-Identifier: Apache-2.0
#include "shim/client/client.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/time.h"
#include "os/file.h"
#include "shim/client/protocol.h"

namespace servin::shim {
namespace {

/// The shim's own environment and that of the hidden verbs it starts: what places and finds things, nothing of the
/// user's secrets.
std::vector<std::string> shim_environment() {
  std::vector<std::string> env;
  for (char** e = environ; e && *e; ++e) {
    std::string_view v = *e;
    for (std::string_view name : {"SERVIN_", "XDG_", "HOME=", "PATH=", "TMPDIR="})
      if (v.starts_with(name)) env.emplace_back(v);
  }
  return env;
}

ProcessId spawn_shim(const SpawnRequest& request, const Fd& socket) {
  SpawnOptions options;
  options.program = companion_program("servin-shim");
  options.args = {"servin-shim", request.id, std::to_string(request.port_sockets.size())};
  options.env = shim_environment();
  options.fds = {{&socket, spawner_descriptor}};
  int number = first_port_descriptor;
  for (const Fd* port : request.port_sockets) options.fds.emplace_back(port, number++);
  options.new_session = true;
  options.cwd = "/";
  pid_t pid = spawn(options);
  return identify(pid).value_or(ProcessId{pid, 0});
}

sockaddr_un address_below(const Fd& dir) {
  // sun_path holds 108 bytes, a root may lie deeper: the name goes through the folder's descriptor.
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::string path = fmt::format("/proc/self/fd/{}/{}", dir.get(), socket_name);
  std::memcpy(a.sun_path, path.c_str(), path.size() + 1);
  return a;
}

Client::Frame parse(std::string_view message) {
  if (message.empty()) throw Error(ErrorCode::data_loss, "empty frame from the supervisor");
  Client::Frame f;
  f.kind = static_cast<Client::Kind>(message[0]);
  message.remove_prefix(1);
  switch (f.kind) {
    case Client::Kind::out:
    case Client::Kind::err:
      f.bytes = message;
      return f;
    case Client::Kind::started:
      f.process = decode_status(message).process;
      return f;
    case Client::Kind::failed:
      f.error = decode_error(message);
      return f;
    case Client::Kind::exited:
      f.status = decode_status(message);
      f.exit_code = f.status.exit_code;
      f.oom_killed = f.status.oom_killed;
      return f;
  }
  throw error(ErrorCode::data_loss, "unknown frame {} from the supervisor", static_cast<int>(f.kind));
}

/// How long a shim may take to answer a client. It does nothing slow: only one that hangs needs more.
constexpr std::int64_t answer_patience = 5'000'000'000;

/// False at the deadline (< 0: none).
bool wait_for(const Fd& fd, short events, std::int64_t deadline) {
  for (;;) {
    std::int64_t left = deadline < 0 ? -1 : deadline - monotonic_ns();
    if (deadline >= 0 && left <= 0) return false;
    pollfd p{fd.get(), events, 0};
    int n = ::poll(&p, 1, left < 0 ? -1 : static_cast<int>(left / 1'000'000 + 1));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) throw_errno("wait for the supervisor");
  }
}

/// Until a new shim says something. That may take long, since a start copies a volume's content: only one that is
/// stopped all the time is not waited for. It is ended, so that no container comes of it later.
void wait_while_it_works(const Fd& socket, const ProcessId& shim) {
  constexpr std::int64_t slice = 250'000'000;
  std::int64_t stopped = 0;
  while (!wait_for(socket, POLLIN, monotonic_ns() + slice)) {
    stopped = is_stopped(shim) ? stopped + slice : 0;
    if (stopped < answer_patience) continue;
    if (auto process = open_pidfd(shim)) send_signal(*process, SIGKILL);
    throw error(ErrorCode::timeout,
                "the supervisor of the new container (pid {}) was stopped by a signal, and has been ended", shim.pid)
        .with_id("E-SUPERVISOR-STUCK")
        .with_hint("start the container again");
  }
}

/// connect(2) waits too: when those before us fill the queue of a shim that does not accept them.
void limit_connect(const Fd& socket) {
  timeval limit{answer_patience / 1'000'000'000, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

Error stuck_supervisor(pid_t pid, bool stopped) {
  return error(ErrorCode::timeout, "the container's supervisor (pid {}) {}", pid,
               stopped ? "is stopped by a signal" : "does not answer")
      .with_id("E-SUPERVISOR-STUCK")
      .with_hint(fmt::format("let it go on: kill -CONT {}; or end the container: servin rm --force", pid));
}

Error Client::no_answer() const {
  ucred peer{};  // of a listening socket: who called listen(), the shim
  socklen_t size = sizeof peer;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return stuck_supervisor(peer.pid, false);
}

Client::Frame Client::wait_start(const std::string& id, std::int64_t deadline) {
  for (;;) {
    if (auto frame = next()) {
      if (frame->kind == Kind::failed) throw *frame->error;
      if (frame->kind == Kind::started) {
        process_ = frame->process;
        return *frame;
      }
      throw error(ErrorCode::internal, "the supervisor of {} sent output before it started", id);
    }
    if (closed_)
      throw error(ErrorCode::unavailable, "the supervisor of {} ended before the container had started", id)
          .with_id("E-SUPERVISOR-LOST")
          .with_hint("start the container again; `servin system doctor` checks the installation");
    if (!wait_for(socket_, POLLIN, deadline)) throw no_answer();
  }
}

Client Client::spawn(const SpawnRequest& request) {
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
  write_file(request.run_dir + "/" + plan_name, request.plan);
  ProcessId shim = spawn_shim(request, pair.b);
  pair.b.reset();  // so that the end of the shim ends the connection
  return start(std::move(pair.a), request, shim);
}

Client Client::start(Fd socket, const SpawnRequest& request, const ProcessId& shim) {
  Client client(std::move(socket));
  client.send(encode_request(request), true);
  wait_while_it_works(client.socket_, shim);
  client.wait_start(request.id, -1);
  return client;
}

Client Client::connect(const std::string& run_dir, bool want_stdin, bool out, bool err) {
  auto none = [](int number) { return errno_error(number, "no supervisor").with_errno(number); };
  auto status = read_status(run_dir);
  if (status && is_stopped(status->shim)) throw stuck_supervisor(status->shim.pid, true);
  try {
    Fd dir = open_file(run_dir, O_PATH | O_DIRECTORY);
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno("make a socket");
    limit_connect(socket);
    sockaddr_un address = address_below(dir);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno == EAGAIN && status) throw stuck_supervisor(status->shim.pid, false);
      throw none(errno);
    }
    Client client(std::move(socket));
    client.send(std::string{static_cast<char>(ToShim::subscribe), static_cast<char>(frame_version),
                            static_cast<char>(want_stdin), static_cast<char>(out), static_cast<char>(err)},
                true);
    client.wait_start(run_dir, monotonic_ns() + answer_patience);
    return client;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::resource_exhausted || e.code() == ErrorCode::timeout) throw;
    throw error(ErrorCode::conflict, "no running container behind {}: {}", run_dir, e.message())
        .with_errno(e.sys_errno());
  }
}

std::optional<Client::Frame> Client::next() {
  if (closed_) return std::nullopt;
  buffer_.resize(output_chunk + 4096);
  for (;;) {
    ssize_t n = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n > 0) return parse(std::string_view(buffer_).substr(0, static_cast<std::size_t>(n)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    // The shim ended with input of ours unread: an error that comes once, before what it sent.
    if (n < 0 && errno == ECONNRESET) continue;
    closed_ = true;
    return std::nullopt;
  }
}

bool Client::send(std::string_view frame, bool wait) {
  for (;;) {
    ssize_t n = ::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0 || errno == EPIPE || errno == ECONNRESET) return true;  // a gone shim shows in next()
    if (errno == EINTR) continue;
    if (errno != EAGAIN) throw_errno("send to the supervisor");
    if (!wait) return false;
    wait_for(socket_, POLLOUT, -1);
  }
}

bool Client::write_stdin(std::string_view bytes) {
  bool first = true;
  do {
    std::string frame(1, static_cast<char>(ToShim::stdin_bytes));
    frame += bytes.substr(0, input_chunk);
    // All or nothing: once the first part is on its way the others follow, even if that takes a moment.
    if (!send(frame, !first)) return false;
    bytes.remove_prefix(frame.size() - 1);
    first = false;
  } while (!bytes.empty());
  return true;
}

void Client::close_stdin() { send(std::string(1, static_cast<char>(ToShim::close_stdin)), true); }

void Client::resize(std::uint16_t rows, std::uint16_t columns) {
  RecordWriter w;
  w.put(ToShim::resize);
  w.put(rows);
  w.put(columns);
  // Behind a full queue of input a resize is dropped: the next one, or the next attach, tells the size again.
  send(w.bytes(), false);
}

void Client::release() { send(std::string(1, static_cast<char>(ToShim::released)), false); }

void Client::signal(int number) {
  if (auto process = open_pidfd(process_)) send_signal(*process, number);
}

}  // namespace servin::shim
