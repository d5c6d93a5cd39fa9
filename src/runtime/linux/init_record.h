// SPDX-License-Identifier: Apache-2.0
// Builds what servin-init reads, and starts it.
#pragma once

#include <string>
#include <vector>

#include "init/record.h"
#include "os/fd.h"
#include "runtime/linux/plan.h"
#include "runtime/linux/users.h"

namespace servin::runtime {

struct InitRecord {
  init::Header header{};  // offsets are filled in by bytes()
  std::vector<std::uint32_t> gids;
  std::vector<RlimitPlan> rlimits;
  std::string seccomp;
  std::vector<std::string> args, env;
  std::string cwd;
  std::string bytes() const;
};

/// The part that run and exec share. HOME is added from the user's entry when the environment has none.
InitRecord process_record(const LaunchPlan& plan, const User& user, std::vector<std::string> args,
                          std::vector<std::string> env, const std::string& cwd);
/// A sealed memfd that holds servin-init.
Fd init_program();
/// Moves descriptors to the numbers that servin-init expects (0-2, 3, 4, 5 ...) and executes it. Returns only on
/// failure, with errno set. Touches no memory that it did not get: fit for the child of vfork.
void execute_init(int program, const int* fds, int count);

}  // namespace servin::runtime
