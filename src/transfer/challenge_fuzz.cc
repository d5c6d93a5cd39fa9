// SPDX-License-Identifier: Apache-2.0
// parse_challenges() never fails and holds no more than its limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "transfer/challenge.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view header(reinterpret_cast<const char*>(data), size);
  auto challenges = servin::transfer::parse_challenges(header);
  if (challenges.size() > 16) __builtin_trap();
  for (const auto& challenge : challenges) {
    if (challenge.values.size() > 32) __builtin_trap();
  }
  return 0;
}
