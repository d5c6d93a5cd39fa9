// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "os/fd.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {

/// The plan's overlay as a detached mount; a closed Fd when the kernel's older form had to be used, which mounts it at
/// plan.mount_point at once.
Fd mount_overlay(const LaunchPlan& plan);
/// For "lowerdir=": colons, backslashes and commas escaped.
std::string escape_layer(const std::string& path);

namespace detail {
/// Tests set it to use the older form on a newer kernel.
void use_old_overlay_form(bool use);
}  // namespace detail

}  // namespace servin::runtime
