// SPDX-License-Identifier: Apache-2.0
// For who unpacks: owner, mode, extended attributes and time of what was just made.
#pragma once

#include <cstdint>
#include <string>

#include "archive/tar_entry.h"
#include "os/fd.h"

namespace servin::archive {

/// On a file or folder that is open. `owners` false: no owner, setuid and setgid bits, capabilities.
void set_attributes(const Fd& fd, const TarEntry& entry, bool owners);
/// On a link, device or fifo, by name: never followed, never opened.
void set_attributes_at(const Fd& parent, const std::string& name, const TarEntry& entry, bool owners);
void set_time(const Fd& fd, std::int64_t seconds, std::uint32_t nanoseconds);
/// Mode, owner, times and xattrs from one folder to another.
void copy_attributes(const Fd& from, const Fd& to);

}  // namespace servin::archive
