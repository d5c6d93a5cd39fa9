// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) by OpenSSL's assembler (SHA-NI where the processor has it).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace servin {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t size);
  void update(std::string_view data) { update(data.data(), data.size()); }
  /// 64 lower-case hex digits. The object can be used for a new message afterwards.
  std::string finish_hex();

 private:
  void start();
  alignas(8) unsigned char state_[128];
};

std::string sha256_hex(std::string_view data);

}  // namespace servin
