// SPDX-License-Identifier: Apache-2.0
// An Error as bytes, for the pipes and sockets between our own processes.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace servin {

/// At most some 20 KiB, so that it fits into one packet of any of our sockets: what is longer is cut.
std::string encode_error(const Error& error);
/// Never throws: bytes that make no sense are an error of their own.
Error decode_error(std::string_view bytes);

}  // namespace servin
