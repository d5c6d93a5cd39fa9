// SPDX-License-Identifier: Apache-2.0
// Documents with parts of them changed; everything else in them stays as it is, also what we do not know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/image.h"

namespace servin::oci {

/// As many layers as it has; media type, digest and size are replaced.
std::string with_layers(std::string_view manifest, const std::vector<Descriptor>& layers);

/// The image config `parent` as that of an image made from it: what ImageConfig holds is taken from `config`, the rest
/// (Shell, OnBuild ...) stays; so does the health check when `config` has none.
std::string derive_config(std::string_view parent, const ImageConfig& config);

}  // namespace servin::oci
