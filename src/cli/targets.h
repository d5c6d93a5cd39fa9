// SPDX-License-Identifier: Apache-2.0
// Commands that do the same to several objects.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"

namespace servin::cli {

/// Calls `act` for each; a failure names its object and does not stop the others. Prints each name that went well when
/// `echo`. 0, or 125 when one failed.
int for_each_target(Context& context, const std::vector<std::string>& targets, bool echo,
                    const std::function<void(const std::string&)>& act);

}  // namespace servin::cli
