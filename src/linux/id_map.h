// SPDX-License-Identifier: Apache-2.0
// Mounts on which files show other owners than the disk has (mount_setattr with MOUNT_ATTR_IDMAP; Linux 5.12, and per
// file system later).
#pragma once

#include <cstdint>
#include <string>

#include "os/fd.h"

namespace servin::kernel {

/// The text of a uid_map or gid_map in which `on_disk` and `shown` have changed places and all others are themselves.
std::string swapped_ids(std::uint32_t on_disk, std::uint32_t shown);
/// A user namespace with these maps that nobody lives in. The caller has one thread, and sees /proc.
Fd make_user_namespace(const std::string& uid_map, const std::string& gid_map);
/// `mount` is detached. Throws E-MOUNT-IDMAP when the kernel or the file system cannot; `what` names the place.
void map_ids(const Fd& mount, const Fd& user_namespace, const std::string& what);

}  // namespace servin::kernel
