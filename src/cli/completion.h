// SPDX-License-Identifier: Apache-2.0
// Shell completion. The scripts only register a function and run nothing when they are loaded; at a TAB they ask
// `servin __complete`, which answers from the table of commands and, for names, from the engine's state.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"

namespace servin::cli {

/// bash, zsh, fish or powershell. Throws E-OPTION-VALUE for others.
std::string completion_script(std::string_view shell);
std::vector<std::string> completion_shells();

struct Suggestion {
  std::string word;
  std::string description;
};
struct Suggestions {
  std::vector<Suggestion> list;
  bool files = false;     // the shell's own file names
  bool folders = false;   // only folders
  bool no_space = false;  // the word goes on ("data:")
};

/// Names that only the engine knows; empty when it cannot be asked.
struct NameSource {
  virtual ~NameSource() = default;
  virtual std::vector<Suggestion> containers(bool running_only) = 0;
  virtual std::vector<Suggestion> images() = 0;
  virtual std::vector<Suggestion> volumes() = 0;
  /// Those that people made.
  virtual std::vector<Suggestion> networks() = 0;
};

/// `words`: what stands behind "servin", the last one is being completed (and may be empty).
Suggestions suggest(std::span<const std::string> words, NameSource& names);
/// The words of a line as a shell reads them, up to the cursor; the last one may be empty.
std::vector<std::string> split_line(std::string_view line);

/// The hidden verb: `__complete SHELL WORD...`, or `__complete bash LINE POINT`.
int complete(Context& context, std::span<const std::string> args);

}  // namespace servin::cli
