// SPDX-License-Identifier: Apache-2.0
// From unpacked layers to a container's root file system.
#pragma once

#include <string>
#include <vector>

#include "image/store.h"

namespace servin::rootfs {

/// What the runtime mounts as the root: an overlay of lower folders (highest layer first, as overlayfs wants them) with
/// the container's own upper and work folder. A `volatile_` overlay skips syncs: for containers that go away at their
/// end.
struct RootMount {
  std::vector<std::string> lowers;
  std::string upper, work;
  bool volatile_ = false;
  std::string mount_point;  // an empty folder of this container
};

class Snapshotter : public image::LayerStore {
 public:
  /// Makes the container's folders. `chain_ids`: hex, lowest first.
  virtual RootMount prepare(const std::string& container_id, const std::vector<std::string>& chain_ids,
                            bool volatile_) = 0;
  /// The same mount again, for a later start.
  virtual RootMount mount_of(const std::string& container_id, const std::vector<std::string>& chain_ids,
                             bool volatile_) = 0;
  /// By rename to trash; emptied by empty_trash().
  virtual void discard(const std::string& container_id) = 0;
  virtual void empty_trash() = 0;
};

}  // namespace servin::rootfs
