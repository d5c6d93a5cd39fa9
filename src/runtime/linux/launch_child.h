// SPDX-License-Identifier: Apache-2.0
// The child's half of launch(): from the clone to servin-init.
#pragma once

#include "runtime/linux/cgroup.h"
#include "runtime/linux/handshake.h"
#include "runtime/linux/launch.h"

namespace servin::runtime {

struct ChildSetup {
  const LaunchPlan* plan = nullptr;
  const LaunchOptions* options = nullptr;
  const CgroupDoors* doors = nullptr;
  std::vector<std::pair<std::uint64_t, Fd>> joins;  // namespaces by descriptor
  Fd init;                                          // the sealed program
  Fd in, out, err;                                  // the child's ends; closed with a terminal
};

/// Throws E-NOT-RUNNING when a process whose /proc/PID paths have just been opened is gone: its pid may have been
/// somebody else's by then. While it is alive, the pid was its own all the time.
void check_donors(const LaunchPlan& plan);

/// Never returns; reports failures through the handshake.
[[noreturn]] void run_child(const ChildSetup& setup, Handshake& handshake);

}  // namespace servin::runtime
