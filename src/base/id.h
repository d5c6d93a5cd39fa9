// SPDX-License-Identifier: Apache-2.0
// Identifiers: 64 hex digits, 12 shown. Names: what docker allows.
#pragma once

#include <string>
#include <string_view>

namespace servin {

/// 64 lower-case hex digits from the kernel's random source. Never all digits in its first 12 (docker avoids that too:
/// as a host name such an id would read as a number).
std::string new_id();
bool is_full_id(std::string_view text);
/// Could this be a unique prefix of an id (1..64 lower-case hex digits)?
bool is_id_prefix(std::string_view text);
std::string_view short_id(std::string_view id);
/// [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 128 long. Throws invalid_argument with the rule as its hint.
void check_name(std::string_view kind, std::string_view name);
/// "brave_turing": for containers without --name. The number makes further tries differ.
std::string random_name(unsigned attempt);

/// `n` bytes from getrandom(2).
std::string random_bytes(std::size_t n);
std::string hex(std::string_view bytes);

}  // namespace servin
