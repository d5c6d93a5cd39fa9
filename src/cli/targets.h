// SPDX-License-Identifier: Apache-2.0
// Commands that do the same to several objects.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"
#include "engine/types.h"

namespace servin::cli {

/// Calls `act` for each; a failure names its object and does not stop the others. Prints each name that went well when
/// `echo`. 0, or 125 when one failed.
int for_each_target(Context& context, const std::vector<std::string>& targets, bool echo,
                    const std::function<void(const std::string&)>& act);

constexpr OptionSpec all_running = {.names = "-a,--all", .value = "", .help = "all that run"};

/// The containers that are named, or those that `fits` chooses with --all. Throws E-ARGUMENTS when there are neither,
/// and E-OPTION-CONFLICT with both.
std::vector<std::string> named_or_all(Context& context, const Parsed& parsed,
                                      const std::function<bool(engine::Status)>& fits);
/// It has processes, frozen ones and ones that its restart policy is about to start included.
bool is_running(engine::Status status);

}  // namespace servin::cli
