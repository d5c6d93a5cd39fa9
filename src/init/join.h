// SPDX-License-Identifier: Apache-2.0
// Mode exec: from the host into a running container.
#pragma once

#include "init/identity.h"

namespace servin::init {

/// Enters the cgroups and namespaces that the descriptors above the record stand for.
Outcome join_container(const Record& r);

struct SiblingResult {
  Outcome outcome;
  bool in_container = false;  // true in the new process, false in the one that stays behind and ends
};
/// Only now a process appears in the container's pid namespace, where others may look into it: it has its final
/// identity and no descriptors but the streams and the handshake. It is a sibling of ours: its parent is our caller,
/// who learns its pid as the host numbers it and gets a pidfd. Both come from the kernel, not from memory that the
/// container shares.
SiblingResult start_sibling(uint32_t number);

}  // namespace servin::init
