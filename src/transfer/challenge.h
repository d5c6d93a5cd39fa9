// SPDX-License-Identifier: Apache-2.0
// WWW-Authenticate (RFC 9110, 11.6.1): what a registry wants to see before it answers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace servin::transfer {

struct Challenge {
  std::string scheme;                         // lower case: "bearer", "basic"
  std::map<std::string, std::string> values;  // names in lower case
};

/// All challenges of one header. Damaged ones are left out: hostile input never throws here.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace servin::transfer
