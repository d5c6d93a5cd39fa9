// SPDX-License-Identifier: Apache-2.0
// What the option parsers of this room share: one shape of error, and paths as docker cleans them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/strings.h"

namespace servin::engine::detail {

/// invalid value "1x": why. Who calls knows the option's name.
inline Error bad_value(std::string_view text, std::string_view why) {
  return error(ErrorCode::invalid_argument, "invalid value {}: {}", quoted(text), why).with_id("E-OPTION-VALUE");
}

/// Lexically: no "//", ".", "..", no slash at the end. Absolute stays absolute.
std::string clean_path(std::string_view path);
/// "./x", "../x", "~", "~/x" against cwd and home; others as they are.
std::string resolve_host_path(std::string_view path, const std::string& cwd, const std::string& home);
/// The cleaned target; throws unless it is absolute and not "/".
std::string check_target(std::string_view text, std::string_view target);
/// Mount propagation words of -v and --mount.
bool is_propagation(std::string_view word);
/// nosuid, nodev, noexec, noatime and their opposites.
bool is_attribute(std::string_view word);
std::uint32_t parse_octal(std::string_view text, std::string_view value);
std::uint64_t parse_tmpfs_size(std::string_view text, std::string_view value);
/// Throws unless docker would take it as the name of a volume.
void check_volume_name(std::string_view text, std::string_view name);

}  // namespace servin::engine::detail
