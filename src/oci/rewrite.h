// SPDX-License-Identifier: Apache-2.0
// A manifest with other layers; everything else in it (annotations, subject, order) stays as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/image.h"

namespace servin::oci {

/// As many layers as it has; media type, digest and size are replaced.
std::string with_layers(std::string_view manifest, const std::vector<Descriptor>& layers);

}  // namespace servin::oci
