// SPDX-License-Identifier: Apache-2.0
// Small string helpers, sizes, and "did you mean".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace servin {

std::vector<std::string> split(std::string_view text, char at);
/// The parts before and after the first `at`; nothing when it is not there.
std::optional<std::pair<std::string, std::string>> split_once(std::string_view text, char at);
std::string join(std::span<const std::string> parts, std::string_view glue);
std::string_view trim(std::string_view text);
std::string lower(std::string_view text);

/// The whole text as a decimal number; nothing for signs, spaces, overflow or anything else.
std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);

/// "512m", "1g", "1.5GiB", "100" (bytes): units are powers of 1024, as docker reads them. Throws invalid_argument.
std::uint64_t parse_size(std::string_view text);
/// Powers of 1000, four digits: "1.23GB", "512kB", "0B" (docker's tables).
std::string human_size(std::uint64_t bytes);
/// Powers of 1024: "1.5MiB".
std::string human_size_binary(std::uint64_t bytes);

/// Edits (insert, delete, replace, swap neighbours) between two words.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// Up to three of `known` that `word` was probably meant to be, best first.
std::vector<std::string> did_you_mean(std::string_view word, std::span<const std::string> known);
/// `did you mean "x"?`, or "x" or "y"; empty when nothing is near.
std::string did_you_mean_hint(std::string_view word, std::span<const std::string> known);

/// The text with C0, C1 and DEL characters (new line and tab too unless kept) written as \xNN: safe for a terminal.
std::string printable(std::string_view text, bool keep_newlines = false);
/// Double-quoted as JSON does it.
std::string quoted(std::string_view text);
bool valid_utf8(std::string_view text);

}  // namespace servin
