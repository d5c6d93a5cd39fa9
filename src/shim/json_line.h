// SPDX-License-Identifier: Apache-2.0
// One record of docker's json-file log: {"log":"text\n","stream":"stdout","time":"2026-11-27T08:00:00.000000001Z"}\n
#pragma once

#include <cstddef>
#include <string_view>

#include "base/time.h"

namespace servin::shim {

/// The longest text of one record; longer lines come in parts, all but the last without a new line.
inline constexpr std::size_t max_part = 16U << 10U;
/// Room that a record of `text` bytes needs at most.
constexpr std::size_t record_bound(std::size_t text) { return text * 6 + 128; }

/// Writes the record to `to` (record_bound(text.size()) bytes at least) and returns its size. Escapes as docker does
/// (also < > &). A byte that is not UTF-8 becomes the lone surrogate \udcXX: readers written in Go show U+FFFD for it,
/// ours gives the byte back.
std::size_t encode_json_line(char* to, std::string_view text, std::string_view stream, Time time);
/// How many bytes at the end of `text` are the start of a UTF-8 character that is not complete (0..3).
std::size_t incomplete_tail(std::string_view text);

}  // namespace servin::shim
