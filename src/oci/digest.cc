// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include "base/error.h"
#include "base/id.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace servin::oci {

Digest Digest::parse(std::string_view text) {
  constexpr std::string_view prefix = "sha256:";
  if (!text.starts_with(prefix) || !is_full_id(text.substr(prefix.size())))
    throw error(ErrorCode::invalid_argument, "invalid digest \"{}\"", printable(text.substr(0, 100)))
        .with_hint("a digest is sha256: and 64 lower-case hex digits");
  return from_hex(text.substr(prefix.size()));
}

Digest Digest::from_hex(std::string_view hex) {
  if (!is_full_id(hex))
    throw error(ErrorCode::invalid_argument, "invalid digest \"{}\"", printable(hex.substr(0, 100)));
  Digest d;
  d.hex_ = hex;
  return d;
}

Digest Digest::of(std::string_view bytes) { return from_hex(sha256_hex(bytes)); }

}  // namespace servin::oci
