// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648) with padding: HTTP's basic credentials and the files that keep them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace servin {

std::string base64(std::string_view bytes);
/// Nothing when it is none. Padding may be missing.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace servin
