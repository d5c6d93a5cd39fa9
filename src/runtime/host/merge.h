// SPDX-License-Identifier: Apache-2.0
// The layers of an image as one plain folder, for hosts where no overlay can be mounted.
#pragma once

#include "runtime/host/plan.h"

namespace servin::runtime {

/// Copies the layers, lowest first, into plan.upper (once: what the container changed stays). Shares blocks with the
/// layers where the file system can (reflink). Hard links would let the program change the image itself.
void merge_layers(const HostPlan& plan);

}  // namespace servin::runtime
