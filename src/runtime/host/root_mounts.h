// SPDX-License-Identifier: Apache-2.0
// The root folder of a host container when mounts can be made.
#pragma once

#include "os/fd.h"
#include "runtime/host/plan.h"

namespace servin::runtime {

/// In a new mount namespace of the calling process: the overlay, the host's /dev, /proc and /sys on it, the volumes.
/// Returns the root folder, to be entered with chroot.
Fd mount_root(const HostPlan& plan);

}  // namespace servin::runtime
