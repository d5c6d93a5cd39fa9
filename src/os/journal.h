// SPDX-License-Identifier: Apache-2.0
// A bounded file of lines that several processes append to at once. One write is one or more whole lines, by O_APPEND:
// they never mix. When the file has grown over its limit it becomes PATH.1 (what was there before is dropped) and the
// next writer makes a new one. Nothing is synced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace servin {

inline constexpr std::uint64_t journal_limit = 8U << 20U;

/// One open and one write. What cannot be written (a full disk, a folder that is gone) is lost: news about something
/// that was done is no reason to fail it.
void append_lines(const std::string& path, std::string_view lines, std::uint64_t limit = journal_limit) noexcept;

}  // namespace servin
