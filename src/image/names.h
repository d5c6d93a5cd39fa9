// SPDX-License-Identifier: Apache-2.0
// What people write for an image: a name or an id.
#pragma once

#include <string>
#include <vector>

#include "oci/image.h"

namespace servin::image {

/// The names under which `text` may be known, the likeliest first: NAME is docker.io/library/NAME, and localhost/NAME
/// too (podman and buildah call theirs so). Empty when it is an id; throws when it can be neither.
std::vector<oci::Reference> names_of(const std::string& text);
/// Does `text` mean the reference (full form)? Never throws.
bool names_it(const std::string& text, const std::string& reference);
/// The hex digits when `text` may be an id or the start of one, else empty.
std::string id_prefix(const std::string& text);

}  // namespace servin::image
