// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <poll.h>

#include "base/time.h"
#include "os/file.h"
#include "shim/client/protocol.h"

namespace servin::shim {
namespace {

bool is_over(const StatusRecord& s) {
  return s.phase == Phase::exited || s.phase == Phase::failed || s.phase == Phase::restarting;
}

/// False at the deadline. `deadline` < 0: none.
bool wait_readable(const Fd& fd, std::int64_t deadline) {
  for (;;) {
    std::int64_t left = deadline < 0 ? -1 : deadline - monotonic_ns();
    if (deadline >= 0 && left <= 0) return false;
    timespec limit{left / 1'000'000'000, left % 1'000'000'000};
    pollfd p{fd.get(), POLLIN, 0};
    int n = ::ppoll(&p, 1, deadline < 0 ? nullptr : &limit, nullptr);
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) throw_errno("wait for a supervisor");
  }
}

/// The exit as the shim tells it over its socket: cannot be missed even when run_dir is removed right afterwards.
WaitEnd wait_on_socket(const std::string& run_dir, std::int64_t deadline, StatusRecord& status) {
  std::optional<Client> client;
  try {
    client = Client::connect(run_dir, false, false, false);
  } catch (const Error& e) {
    if (e.id() == "E-SUPERVISOR-STUCK") return WaitEnd::stuck;
    return WaitEnd::lost;  // not listening yet, not any more, or too many clients: the shim's own end tells
  }
  while (!client->closed()) {
    while (auto frame = client->next())
      if (frame->kind == Client::Kind::exited) {
        status = frame->status;
        return WaitEnd::told;
      }
    if (!client->closed() && !wait_readable(client->poll_fd(), deadline)) return WaitEnd::late;
  }
  return WaitEnd::lost;
}

/// False at the deadline; true when the process is gone, now or long ago.
bool wait_process(const ProcessId& process, std::int64_t deadline) {
  auto pidfd = open_pidfd(process);
  return !pidfd || wait_readable(*pidfd, deadline);
}

}  // namespace

std::optional<StatusRecord> read_status(const std::string& run_dir) {
  std::string path = run_dir + "/" + status_name;
  auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  try {
    return decode_status(*bytes);
  } catch (Error& e) {
    throw e.context(path);
  }
}

Waited wait_exit(const std::string& run_dir, std::int64_t timeout_ns) {
  std::int64_t deadline = timeout_ns < 0 ? -1 : monotonic_ns() + timeout_ns;
  Waited w;
  for (bool again = false;; again = true) {
    auto status = read_status(run_dir);
    if (!status) return w;
    w.status = *status;
    if (is_over(w.status)) return w.end = WaitEnd::told, w;
    w.end = wait_on_socket(run_dir, deadline, w.status);
    if (w.end != WaitEnd::stuck) break;
    // Whoever cannot ask the shim looks at the process itself.
    if (!wait_process(w.status.process, deadline)) return w.end = WaitEnd::late, w;
    if (again || is_stopped(w.status.shim)) return w;  // else it went on meanwhile and may tell
  }
  if (w.end != WaitEnd::lost) return w;
  if (!wait_process(w.status.shim, deadline)) w.end = WaitEnd::late;
  // Read after the end of the shim was seen: its last word is there now.
  if (auto last = read_status(run_dir)) w.status = *last;
  if (is_over(w.status)) w.end = WaitEnd::told;
  return w;
}

}  // namespace servin::shim
