// SPDX-License-Identifier: Apache-2.0
// What refers to an image by its "subject" (OCI image-spec 1.1): signatures, bills of materials and the like.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/image.h"

namespace servin::oci {

/// A manifest of whatever kind, as far as it matters for carrying it from one registry to another.
struct Artifact {
  std::string media_type;
  Digest subject;                 // empty: it refers to nothing
  std::vector<Descriptor> blobs;  // its config and layers
};
Artifact parse_artifact(std::string_view manifest);

/// The list of referrers that clients keep under a tag of their own, where a registry keeps none: `index` ("": there is
/// none yet) with an entry for `manifest`. The same text when it is there already.
std::string with_referrer(const std::string& index, std::string_view manifest);
/// That tag: "sha256-HEX".
std::string referrers_tag(const Digest& subject);

}  // namespace servin::oci
