// SPDX-License-Identifier: Apache-2.0
// Hidden verbs of servin: programs that do for the shim what would cost it memory.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace servin::shim {

/// Starts it with the shim's environment and all streams on /dev/null; 0 when `argv` is empty or it does not start (the
/// engine's next command makes up for it).
pid_t run_verb(const std::vector<std::string>& argv);

}  // namespace servin::shim
