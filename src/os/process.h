// SPDX-License-Identifier: Apache-2.0
// Processes: identity that survives pid reuse, pidfds, and spawning of our own helper programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "os/fd.h"

namespace servin {

/// A pid alone may belong to somebody else tomorrow; with its start time (clock ticks since boot, field 22 of
/// /proc/PID/stat) it cannot.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;
  auto operator<=>(const ProcessId&) const = default;
};

/// Nothing when there is no such process.
std::optional<ProcessId> identify(pid_t pid);
ProcessId this_process();
/// Is it still running? A zombie counts as gone.
bool is_alive(const ProcessId& p);
/// How long ago it started, in nanoseconds; whoever sets the clock does not change it.
std::int64_t age_ns(const ProcessId& p);
/// Does a SIGSTOP hold it? Not: a debugger.
bool is_stopped(const ProcessId& p);
/// A descriptor of exactly this process; nothing when it is gone (also when the pid is somebody else's by now).
std::optional<Fd> open_pidfd(const ProcessId& p);
/// False when the process is gone already; other failures throw.
bool send_signal(const Fd& pidfd, int signal);

struct ExitStatus {
  int code = 0;    // exit(code), or 128 + signal
  int signal = 0;  // 0 unless killed by one
};

/// /sys/kernel/random/boot_id: differs after each boot.
std::string boot_id();

struct SpawnOptions {
  std::string program;                         // absolute path
  std::vector<std::string> args;               // args[0] is the name
  std::vector<std::string> env;                // exactly this
  std::vector<std::pair<const Fd*, int>> fds;  // these descriptors under these numbers; all others are closed on exec
  bool new_session = false;                    // setsid: away from the caller's terminal
  std::string cwd;                             // empty: inherited
};
/// posix_spawn (vfork inside): cheap whatever the caller's size, allowed with threads. stdin, stdout, stderr that `fds`
/// does not name are /dev/null. Signal mask and dispositions are reset.
pid_t spawn(const SpawnOptions& options);
/// Waits for a child of ours.
ExitStatus wait_child(pid_t pid);

/// The path of the running program, and of one of its companions (servin-shim) beside it or in ../libexec/servin.
std::string self_program();
std::string companion_program(const std::string& name);

}  // namespace servin
