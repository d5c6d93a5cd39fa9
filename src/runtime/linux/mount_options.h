// SPDX-License-Identifier: Apache-2.0
// The words of an OCI mount's option list -> attributes, propagation and options of the file system.
#pragma once

#include "oci/runtime_spec.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {

/// Pure. Throws invalid_argument for words that mean nothing here.
MountPlan plan_mount(const oci::SpecMount& mount);
/// MS_PRIVATE ... of "private", "rslave" ...; 0 for other words. `recursive` tells whether the word began with r.
std::uint64_t propagation_word(std::string_view word, bool& recursive);

}  // namespace servin::runtime
