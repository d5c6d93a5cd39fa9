// SPDX-License-Identifier: Apache-2.0
// Carries a launch plan out: cgroups, namespaces, root file system, identity, and the user's program. Called by the
// shim, which must have one thread and becomes the parent of the container's first process (reap it through
// Launched::process or the pidfd). The container dies with its parent (PDEATHSIG).
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/linux/plan.h"
#include "runtime/runtime.h"

namespace servin::runtime {

/// Told after everything is set up and before the user's program is executed (the place for network set-up). What it
/// throws ends the launch.
class BeforeExec {
 public:
  virtual ~BeforeExec() = default;
  virtual void before_exec(const ProcessId& process, const Fd& pidfd) = 0;
};

struct LaunchOptions {
  bool terminal = false;    // a pty of the container's own devpts instead of three pipes
  bool open_stdin = false;  // else stdin is /dev/null
  std::uint16_t rows = 0, columns = 0;
  BeforeExec* listener = nullptr;
};

/// Returns once the user's program has been executed. On any failure nothing of the container runs, its cgroups are
/// removed, and the Error says what and where; codes: see runtime.h.
Launched launch(const LaunchPlan& plan, const LaunchOptions& options);
Launched launch(std::string_view plan_bytes, const LaunchOptions& options);

/// How many processes of the container the kernel's OOM killer has taken so far (cheap: one file). The shim asks
/// after the exit.
std::uint64_t oom_kills(const LaunchPlan& plan);

}  // namespace servin::runtime
