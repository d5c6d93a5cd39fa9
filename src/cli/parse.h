// SPDX-License-Identifier: Apache-2.0
// From words to Parsed. `arrange` decides which words are options and which belong to the command (cli.md's argument
// rules); CLI11 then reads the options of the one command.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"

namespace servin::cli {

struct Arranged {
  std::vector<std::string> options;  // only options and their values; "--name=x" as two words
  std::vector<std::string> args;
  std::vector<std::string> behind_image;  // options that were taken there, for the note
  bool help = false;
};

struct Known {
  bool found = false;
  bool flag = false;
  const OptionSpec* option = nullptr;
};
/// By name as written ("-e", "--env"). The command's own options win over global ones of the same name (-v of run).
/// Behind the command only the long names of global options are read.
Known find_option(const CommandSpec& command, std::string_view name);

Arranged arrange(const CommandSpec& command, std::span<const std::string> words);
/// Parsed, with the global options among them taken into `global`. Throws E-OPTION-UNKNOWN, E-OPTION-VALUE,
/// E-ARGUMENTS, and E-NOT-BUILT for an option that waits for its part.
Parsed parse(const CommandSpec& command, std::span<const std::string> words, GlobalOptions& global);
/// Options before the command. Returns how many words they took; `help` and `version` are set for -h and --version.
struct Front {
  std::size_t words = 0;
  bool help = false;
  bool version = false;
};
Front parse_front(std::span<const std::string> words, GlobalOptions& global);

}  // namespace servin::cli
