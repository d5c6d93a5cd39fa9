// SPDX-License-Identifier: Apache-2.0
// What a container changed: its overlay's upper folder against the layers below.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "files/walk.h"
#include "os/fd.h"

namespace servin::files {

struct Change {
  enum class Kind { changed, added, removed };
  Kind kind = Kind::changed;
  std::string path;  // absolute
  bool operator==(const Change&) const = default;
};

/// Made by a launch to have something to mount on: an empty folder or file that the layers have not got.
using IsMountPoint = std::function<bool(const std::string& path)>;

/// Sorted by path, as docker lists them: a folder counts as changed when something in it is. `upper` and `lower`:
/// O_PATH of the folders; `lower` is all layers together.
std::vector<Change> changes(const Fd& upper, const Fd& lower, const IsMountPoint& is_mount_point);

/// Is this entry of the upper folder a mere mount point? `path`: absolute.
bool is_mere_mount_point(const Walker::Visit& v, const std::string& path, const Fd& lower, const IsMountPoint& asked);

}  // namespace servin::files
