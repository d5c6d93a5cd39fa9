// SPDX-License-Identifier: Apache-2.0
// Layers for overlayfs: ROOT/snapshots/CHAIN/fs is one unpacked layer (whiteouts as overlayfs wants them),
// ROOT/snapshots/CHAIN/note its unpacked size and diff id. ROOT/containers/ID/{upper,work} is a container's part. The
// mount itself is made by the runtime on RUN/root, inside the container's mount namespace.
#pragma once

#include "base/paths.h"
#include "rootfs/snapshotter.h"

namespace servin::rootfs {

class OverlaySnapshotter : public Snapshotter {
 public:
  explicit OverlaySnapshotter(const Paths& paths) : paths_(paths) {}

  bool has(const oci::Digest& chain) override;
  Fd open(const oci::Digest& chain) override;
  std::unique_ptr<Unpack> begin() override;
  void remove(const oci::Digest& chain) override;
  std::vector<oci::Digest> list() override;
  std::uint64_t size(const oci::Digest& chain) override;

  RootMount prepare(const std::string& container_id, const std::vector<std::string>& chain_ids,
                    bool volatile_) override;
  RootMount mount_of(const std::string& container_id, const std::vector<std::string>& chain_ids,
                     bool volatile_) override;
  void discard(const std::string& container_id) override;
  void empty_trash() override;

 private:
  std::string snapshot(const oci::Digest& chain) const { return paths_.snapshots() + "/" + chain.hex(); }

  const Paths& paths_;
};

}  // namespace servin::rootfs
