// SPDX-License-Identifier: Apache-2.0
// Help, man pages and the reference, all from the table of commands.
#pragma once

#include <string>
#include <string_view>

#include "cli/command.h"

namespace servin::cli {

/// The first page; fits 24 lines of 80 columns.
std::string top_help();
/// The commands below a noun.
std::string noun_help(std::string_view noun);
std::string command_help(const CommandSpec& command, unsigned width);
/// "man servin-run": roff (mdoc).
std::string man_page(const CommandSpec& command);
std::string man_overview();
/// "servin-run.1"
std::string man_file(const CommandSpec& command);
/// docs/reference.md
std::string reference_markdown();
/// docs/errors.md
std::string errors_markdown();

}  // namespace servin::cli
