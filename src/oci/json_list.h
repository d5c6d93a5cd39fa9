// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::oci {

/// ["a", "b"]. Throws invalid_argument "WHAT: ...".
std::vector<std::string> parse_string_list(std::string_view json, std::string_view what);

}  // namespace servin::oci
