// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <poll.h>

#include "base/time.h"
#include "os/file.h"
#include "shim/client/protocol.h"

namespace servin::shim {
namespace {

bool is_over(const StatusRecord& s) { return s.phase == Phase::exited || s.phase == Phase::failed; }

StatusRecord need_status(const std::string& run_dir) {
  auto status = read_status(run_dir);
  if (!status) throw error(ErrorCode::not_found, "no status of a supervisor in {}", run_dir);
  return *status;
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

enum class Outcome { exited, lost, late };

/// The exit as the shim tells it over its socket: cannot be missed even when run_dir is removed right afterwards.
Outcome wait_on_socket(const std::string& run_dir, std::int64_t deadline, StatusRecord& status) {
  std::optional<Client> client;
  try {
    client = Client::connect(run_dir, false, false, false);
  } catch (const Error&) {
    return Outcome::lost;  // not listening yet, not any more, or too many clients: the shim's own end tells
  }
  while (!client->closed()) {
    while (auto frame = client->next())
      if (frame->kind == Client::Kind::exited) {
        status = frame->status;
        return Outcome::exited;
      }
    if (!client->closed() && !wait_readable(client->poll_fd(), deadline)) return Outcome::late;
  }
  return Outcome::lost;
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

StatusRecord wait_exit(const std::string& run_dir, std::int64_t timeout_ns, bool* timed_out) {
  std::int64_t deadline = timeout_ns < 0 ? -1 : monotonic_ns() + timeout_ns;
  if (timed_out) *timed_out = false;
  StatusRecord status = need_status(run_dir);
  if (is_over(status)) return status;
  Outcome outcome = wait_on_socket(run_dir, deadline, status);
  if (outcome == Outcome::lost) {
    auto shim = open_pidfd(status.shim);
    if (shim && !wait_readable(*shim, deadline)) outcome = Outcome::late;
    // Read after the end of the shim was seen: its last word is there now.
    if (auto last = read_status(run_dir)) status = *last;
  }
  if (timed_out) *timed_out = outcome == Outcome::late && !is_over(status);
  return status;
}

}  // namespace servin::shim
