// SPDX-License-Identifier: Apache-2.0
// The door of the command line: from argv to the exit code.
#pragma once

#include <span>
#include <string>

#include "cli/context.h"

namespace servin::cli {

/// `args` without the program's name. Every Error ends here, as text on stderr and an exit code.
int run(std::span<const std::string> args, EngineFactory make_engine);
/// The same with streams of the caller's (tests).
int run(Context& context, std::span<const std::string> args);

}  // namespace servin::cli
