// SPDX-License-Identifier: Apache-2.0
// The part of the supervisor that has an ended container started again (client/restart.h).
#include <cerrno>
#include <poll.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "os/file.h"
#include "shim/client/restart.h"
#include "shim/supervisor.h"
#include "shim/verb.h"

namespace servin::shim {
namespace {

constexpr std::int64_t millisecond = 1'000'000;

}  // namespace

/// Over, or another round. Before the record is written: who reads it must not take the one for the other.
void Supervisor::decide() {
  status_.phase = Phase::exited;
  auto restart = read_restart(request_.run_dir);
  if (!restart || !wants_restart(*restart, status_.exit_code, stopped_by_hand())) return;
  status_.phase = Phase::restarting;
  status_.delay_ms = next_delay_ms(restart->delay_ms, exit_time_ - start_time_);
}

bool Supervisor::stopped_by_hand() const { return path_exists(request_.run_dir + "/" + stopped_name); }

/// Nobody has taken the container over.
bool Supervisor::is_mine() const {
  try {
    auto status = read_status(request_.run_dir);
    return status && status->phase == Phase::restarting && status->shim == status_.shim;
  } catch (const Error&) {
    return false;
  }
}

void Supervisor::sleep_ms(std::uint32_t time) const {
  std::int64_t deadline = monotonic_ns() + time * millisecond;
  for (std::int64_t left = deadline - monotonic_ns(); left > 0; left = deadline - monotonic_ns())
    ::poll(nullptr, 0, static_cast<int>(left / millisecond + 1));
}

/// The back-off, then the verb. It stays until the verb has ended, so that all along somebody alive answers for the
/// container; a verb that was killed, or met a locked container, is tried again after a longer time.
void Supervisor::start_again() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);  // what the verb starts is not ours
  for (;; status_.delay_ms = next_delay_ms(status_.delay_ms, 0)) {
    sleep_ms(status_.delay_ms);
    if (!is_mine()) return;
    auto restart = read_restart(request_.run_dir);
    if (!restart || stopped_by_hand()) return give_up();
    pid_t verb = run_verb(restart->verb);
    while (verb > 0 && ::waitpid(verb, nullptr, 0) < 0 && errno == EINTR) continue;
    if (!is_mine()) return;
  }
}

/// Somebody ended it, or took the policy away, while it waited.
void Supervisor::give_up() {
  status_.phase = Phase::exited;
  try {
    write_file(request_.run_dir + "/" + status_name, encode_status(status_));
  } catch (const Error&) {
    // run_dir was removed.
  }
  run_verb(request_.after_exit);
}

}  // namespace servin::shim
