// SPDX-License-Identifier: Apache-2.0
// A content digest as the OCI image spec writes it. The type can hold nothing but sha256 and 64 lower-case hex digits,
// so that a digest can be a file name without further checks.
#pragma once

#include <string>
#include <string_view>

namespace servin::oci {

class Digest {
 public:
  Digest() = default;
  /// "sha256:<64 lower-case hex>"; throws invalid_argument for all else.
  static Digest parse(std::string_view text);
  static Digest from_hex(std::string_view hex);
  /// The digest of these bytes.
  static Digest of(std::string_view bytes);

  bool empty() const { return hex_.empty(); }
  const std::string& hex() const { return hex_; }
  std::string str() const { return hex_.empty() ? std::string() : "sha256:" + hex_; }
  auto operator<=>(const Digest&) const = default;

 private:
  std::string hex_;
};

}  // namespace servin::oci
