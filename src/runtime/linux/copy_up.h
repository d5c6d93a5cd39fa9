// SPDX-License-Identifier: Apache-2.0
// The first use of a volume: what the image has at its place is copied into it.
#pragma once

#include <string>

#include "os/fd.h"

namespace servin::runtime {

/// From the folder `target` inside `root` to the host's folder `volume_dir`, which is only filled when it is empty.
/// Mode and owner of the folder itself come along. Nothing at `target`: nothing happens. All by descriptors, links are
/// copied and never followed.
void copy_up(const Fd& root, const std::string& target, const std::string& volume_dir);

}  // namespace servin::runtime
