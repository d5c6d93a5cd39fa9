// SPDX-License-Identifier: Apache-2.0
// Compression of a layer and its media type.
#pragma once

#include <string>
#include <string_view>

#include "archive/stream.h"

namespace servin::image {

archive::Compression compression_of(std::string_view media_type);
/// A layer that its licence keeps out of registries ("foreign", "nondistributable"): `urls` say where it lies. Nobody
/// asks there: an image's author would choose whom this machine talks to.
bool is_foreign(std::string_view media_type);
/// The media type of a layer in a manifest of ours. xz and bzip2 have no standard one; containers' tools look at the
/// bytes, as we do.
std::string_view layer_media_type(archive::Compression compression);

}  // namespace servin::image
