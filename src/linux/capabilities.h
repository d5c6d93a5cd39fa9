// SPDX-License-Identifier: Apache-2.0
// Capabilities as a set of bits with the kernel's numbers and names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace servin::kernel {

using CapSet = std::uint64_t;

constexpr int cap_count = 41;  // up to CAP_CHECKPOINT_RESTORE (Linux 5.9)
constexpr CapSet cap_bit(int number) { return CapSet{1} << number; }

/// Number of "NET_RAW", "CAP_NET_RAW", "net_raw".
std::optional<int> cap_number(std::string_view name);
/// "CAP_NET_RAW"
std::string cap_name(int number);
std::vector<std::string> cap_names(CapSet set);
/// All 41 names, without "CAP_".
std::vector<std::string> known_caps();
/// What the calling thread may hand on at most, and what it can use now.
CapSet bounding_caps();
CapSet effective_caps();

}  // namespace servin::kernel
