// SPDX-License-Identifier: Apache-2.0
// The manifest of an image that came without one (docker-archive, root file system, built-in): made from its config and
// layers alone, so that the same archive gives the same manifest digest everywhere.
#pragma once

#include <string>
#include <vector>

#include "image/intake.h"

namespace servin::image {

std::string make_manifest(const std::string& config, const std::vector<TakenLayer>& layers);

}  // namespace servin::image
