// SPDX-License-Identifier: Apache-2.0
// Hand-made DNS messages for the tests of this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "network/dns/message.h"

namespace servin::dns::testing {

inline std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8U & 0xffU), static_cast<char>(value & 0xffU)};
}

inline std::string header(unsigned id, unsigned flags, unsigned questions, unsigned answers = 0, unsigned authority = 0,
                          unsigned additional = 0) {
  return u16(id) + u16(flags) + u16(questions) + u16(answers) + u16(authority) + u16(additional);
}

inline std::string question(std::string_view name, unsigned kind = type::a) {
  return encode_name(name).value() + u16(kind) + u16(class_in);
}

/// An ordinary query with RD.
inline std::string query(std::string_view name, unsigned kind = type::a, unsigned id = 0x1234) {
  return header(id, 0x0100, 1) + question(name, kind);
}

inline std::string query_with_edns(std::string_view name, unsigned kind, unsigned size, unsigned version = 0) {
  return header(0x1234, 0x0100, 1, 0, 0, 1) + question(name, kind) + std::string(1, '\0') + u16(type::opt) + u16(size) +
         u16(version) + u16(0) + u16(0);
}

/// A record of the question's name.
inline std::string record(unsigned kind, std::string_view data) {
  return u16(0xc00c) + u16(kind) + u16(class_in) + u16(0) + u16(60) + u16(static_cast<unsigned>(data.size())) +
         std::string(data);
}

}  // namespace servin::dns::testing
