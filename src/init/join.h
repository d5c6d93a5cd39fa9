// SPDX-License-Identifier: Apache-2.0
// Mode exec: from the host into a running container.
#pragma once

#include "init/identity.h"

namespace servin::init {

struct JoinResult {
  Outcome outcome;
  bool in_container = false;  // true in the new process, false in the one that stays behind and ends
};

/// Enters cgroups and namespaces, then makes a sibling there: its parent is our caller, who learns its pid as the host
/// numbers it and gets a pidfd. Both come from the kernel, not from memory that the container shares.
JoinResult join_container(const Record& r);

}  // namespace servin::init
