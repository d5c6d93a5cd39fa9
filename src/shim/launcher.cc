// SPDX-License-Identifier: Apache-2.0
#include "shim/launcher.h"

#include "runtime/host/launch.h"
#include "runtime/linux/cgroup.h"
#include "runtime/linux/launch.h"

namespace servin::shim {

runtime::Launched RuntimeLauncher::launch(const std::string& plan, const SpawnRequest& q) {
  if (host_) return runtime::launch_on_host(plan, {q.terminal, q.open_stdin, q.rows, q.columns});
  runtime::LaunchOptions options;
  options.terminal = q.terminal;
  options.open_stdin = q.open_stdin;
  options.rows = q.rows;
  options.columns = q.columns;
  return runtime::launch(plan, options);
}

bool RuntimeLauncher::oom_killed(const std::string& plan) {
  if (host_) return false;
  return runtime::oom_kills(runtime::LaunchPlan::parse(plan)) > 0;
}

void RuntimeLauncher::clean_up(const std::string& plan) {
  if (!host_) runtime::remove_cgroups(runtime::LaunchPlan::parse(plan).cgroups);
}

}  // namespace servin::shim
