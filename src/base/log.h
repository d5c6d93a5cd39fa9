// SPDX-License-Identifier: Apache-2.0
// Diagnostics of the program itself, to stderr or to --log-file. Never the container's bytes, never asked-for data.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace servin::log {

enum class Level { debug, info, warn, error, off };

void set_level(Level level);
Level level();
/// Appends to the file instead of stderr; lines carry time and level there. Throws Error when it cannot be opened.
void set_file(const std::string& path);
void write(Level level, std::string_view text);

template <typename... T>
void debug(fmt::format_string<T...> text, T&&... args) {
  if (level() <= Level::debug) write(Level::debug, fmt::format(text, std::forward<T>(args)...));
}
template <typename... T>
void info(fmt::format_string<T...> text, T&&... args) {
  if (level() <= Level::info) write(Level::info, fmt::format(text, std::forward<T>(args)...));
}
/// Shown to the person as "warning: ...".
template <typename... T>
void warn(fmt::format_string<T...> text, T&&... args) {
  if (level() <= Level::warn) write(Level::warn, fmt::format(text, std::forward<T>(args)...));
}

}  // namespace servin::log
