// SPDX-License-Identifier: Apache-2.0
// import --change: one Dockerfile instruction that sets a part of an image's config.
#pragma once

#include <string_view>

#include "oci/image.h"

namespace servin::image {

/// CMD, ENTRYPOINT (JSON list or shell form), ENV, LABEL (K=V ...), WORKDIR, USER, EXPOSE, VOLUME, STOPSIGNAL. Throws
/// invalid_argument E-OPTION-VALUE.
void apply_change(oci::ImageConfig& config, std::string_view change);

}  // namespace servin::image
