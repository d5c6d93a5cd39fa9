// SPDX-License-Identifier: Apache-2.0
#include "shim/shim.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/event.h"
#include "os/file.h"
#include "os/journal.h"
#include "shim/supervisor.h"
#include "shim/verb.h"

// Made by the linker.
extern "C" char __executable_start;  // NOLINT(bugprone-reserved-identifier)
extern "C" char etext;

namespace servin::shim {
namespace {

constexpr std::size_t request_limit = 160U << 10U;

void survive_signals() {
  // Handlers and not "ignore": exec resets handlers, so the container's program starts with the defaults.
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  for (int s :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ})
    ::sigaction(s, &nothing, nullptr);
}

std::string receive_request(const Fd& spawner) {
  auto receive = [&](void* to, std::size_t size, int flags) {
    ssize_t n = 0;
    do n = ::recv(spawner.get(), to, size, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  };
  char byte = 0;
  std::string bytes(std::min(receive(&byte, 1, MSG_PEEK | MSG_TRUNC), request_limit), '\0');
  bytes.resize(receive(bytes.data(), bytes.size(), 0));
  return bytes;
}

/// A spawner that was killed has no use for a container, and the engine may already be clearing up behind it.
bool is_gone(const Fd& spawner) {
  char byte = 0;
  return ::recv(spawner.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void write_status(const SpawnRequest& request, const StatusRecord& status) {
  write_file(request.run_dir + "/" + status_name, encode_status(status));
}

Fd listen_in(const std::string& run_dir) {
  Fd dir = open_file(run_dir, O_PATH | O_DIRECTORY);
  // sun_path holds 108 bytes, run_dir may be longer.
  std::string path = fmt::format("/proc/self/fd/{}/{}", dir.get(), socket_name);
  ::unlink(path.c_str());
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw_errno("make a socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  mode_t before = ::umask(0177);
  int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(socket.get(), 64) != 0) throw_errno("listen on {}/{}", run_dir, socket_name);
  return socket;
}

runtime::Launched launch(const SpawnRequest& request, Launcher& launcher) {
  auto plan = read_file(request.run_dir + "/" + plan_name, 64U << 20U);
  if (!plan) throw error(ErrorCode::internal, "no launch plan in {}", request.run_dir);
  return launcher.launch(*plan, request);
}

void send_frame(const Fd& spawner, ToClient kind, std::string_view body) {
  std::string frame(1, static_cast<char>(kind));
  frame += body;
  ::send(spawner.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
}

int report_failure(const Fd& spawner, const SpawnRequest& request, StatusRecord status, const Error& e) {
  status.phase = Phase::failed;
  status.error = e.message();
  status.finished = now();
  try {
    write_status(request, status);
  } catch (const Error&) {
    // The spawner gets the reason over the socket.
  }
  bool nobody = is_gone(spawner);
  send_frame(spawner, ToClient::failed, encode_error(e));
  if (nobody) run_verb(request.after_exit);
  return 1;
}

void write_start_event(SpawnRequest& request, Time started) {
  auto& events = request.events;
  if (events.path.empty()) return;
  std::string lines = std::move(events.before);
  lines += event_line(started, "container", "start", request.id, events.members);
  append_lines(events.path, lines);
}

void protect_from_oom_killer() {
  // Without the right to lower it, it stays: best effort. After the launch: the container must not inherit it.
  Fd fd(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (fd) [[maybe_unused]]
    auto n = ::write(fd.get(), "-999", 4);
}

/// What the start used and the loop does not need goes back to the kernel: heap, stack, and the mapped pages of our own
/// program (they stay in the page cache; the few that the loop runs on come back by themselves).
void give_back_memory() {
  ::malloc_trim(0);
  constexpr std::size_t page = 4096;
  auto page_of = [](char* at) { return at - reinterpret_cast<std::uintptr_t>(at) % page; };
  char* text = page_of(&__executable_start);
  ::madvise(text, static_cast<std::size_t>(page_of(&etext) - text), MADV_DONTNEED);
  constexpr std::size_t reach = 512U << 10U;
  char* top = page_of(static_cast<char*>(__builtin_frame_address(0)) - 2 * page);
  ::madvise(top - reach, reach, MADV_DONTNEED);
}

}  // namespace

int serve(Fd spawner, std::vector<Fd> ports, Launcher& namespaces, Launcher& host) {
  survive_signals();
  SpawnRequest request;
  StatusRecord status;
  status.shim = this_process();
  try {
    std::string bytes = receive_request(spawner);
    if (bytes.empty()) return 1;
    request = decode_request(bytes);
    write_status(request, status);
  } catch (const Error& e) {
    send_frame(spawner, ToClient::failed, encode_error(e));
    return 1;
  }
  Launcher& launcher = request.host_runtime ? host : namespaces;
  std::optional<Supervisor> supervisor;
  try {
    Supervisor::Start start;
    start.listener = listen_in(request.run_dir);
    if (is_gone(spawner))
      throw Error(ErrorCode::cancelled, "the command that started the container ended before the container ran");
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    start.launched = launch(request, launcher);
    status.phase = Phase::running;
    status.process = start.launched.process;
    status.started = now();
    write_status(request, status);
    write_start_event(request, status.started);
    start.started_frame = std::string(1, static_cast<char>(ToClient::started)) + encode_status(status);
    ::send(spawner.get(), start.started_frame.data(), start.started_frame.size(), MSG_NOSIGNAL);
    start.helper = run_verb(request.after_start);
    start.status = status;
    start.ports = std::move(ports);
    if (request.attached) start.spawner = std::move(spawner);
    start.request = request;
    supervisor.emplace(std::move(start), launcher);
  } catch (const Error& e) {
    return report_failure(spawner, request, status, e);
  }
  spawner = Fd();
  protect_from_oom_killer();
  give_back_memory();
  supervisor->run();
  return 0;
}

}  // namespace servin::shim
