// SPDX-License-Identifier: Apache-2.0
// How loads and garbage collection meet. A load writes the names of the blobs and layers that it is about to use into a
// file of its scratch folder before it looks whether they are there; a collection reads these files before it takes
// anything away. Both do this under one lock that is held for a moment only, never over an archive's bytes.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/paths.h"
#include "image/scratch.h"
#include "os/file.h"

namespace servin::image {

/// The lock of ROOT/store.lock; waits 10 s at most.
FileLock lock_store(const Paths& paths);

class Lease {
 public:
  explicit Lease(const Paths& paths) : paths_(paths), scratch_(paths) {}
  /// Hex names of blobs and chains. When it returns no collection takes them away while this object lives.
  void claim(const std::vector<std::string>& names);
  const Scratch& scratch() const { return scratch_; }

 private:
  const Paths& paths_;
  Scratch scratch_;
};

/// The names that live leases hold; with the store's lock held.
std::set<std::string> leased(const Paths& paths);

}  // namespace servin::image
