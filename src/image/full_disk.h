// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"
#include "base/paths.h"

namespace servin::image {

/// Turns "no space left on device" into E-DISK-FULL: what was going on, where the disk is full, and the cure. Leaves
/// other errors as they are.
void explain_full_disk(Error& e, const std::string& what, const Paths& paths);

}  // namespace servin::image
