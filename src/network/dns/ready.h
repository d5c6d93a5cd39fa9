// SPDX-License-Identifier: Apache-2.0
// The error record that servin-netd sends through its pipe when it cannot start.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace servin::dns {

std::string encode_error(const Error& e);
Error decode_error(std::string_view bytes);

}  // namespace servin::dns
