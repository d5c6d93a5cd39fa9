// SPDX-License-Identifier: Apache-2.0
// Finding and executing the user's program.
#pragma once

#include <string>
#include <vector>

#include "os/fd.h"

namespace servin::runtime {

/// The value of PATH in `env`, or the usual one.
std::string path_of(const std::vector<std::string>& env);
/// execve by PATH, with the root folder already entered; throws not_found or permission_denied as runtime.h says.
[[noreturn]] void execute(const std::vector<std::string>& args, const std::vector<std::string>& env);
/// The same for a program of the image below `root` (a plain folder at `folder`) without entering it: a dynamic program
/// is started through the image's own loader.
[[noreturn]] void execute_below(const Fd& root, const std::string& folder, const std::vector<std::string>& args,
                                std::vector<std::string> env);

}  // namespace servin::runtime
