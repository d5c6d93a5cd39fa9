// SPDX-License-Identifier: Apache-2.0
// doctor's look at the store: every blob is hashed again, every unpacked layer compared with a fresh unpacking of its
// blob, every image's documents with their digests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/load.h"
#include "image/store.h"

namespace servin::image {

struct Finding {
  std::string object;  // "blob sha256:...", "layer ...", "image debian:latest"
  std::string detail;
  std::string fix;  // a command, or ""
  bool repaired = false;
};

struct Verified {
  std::uint64_t blobs = 0, layers = 0, images = 0;  // that were looked at
  std::vector<Finding> findings;
};

/// `repair`: damaged layers are unpacked anew from their blob; a damaged blob is dropped, and the images that need it
/// too unless a container uses them: the fix says which to load again.
Verified verify(ImageStore& store, bool repair, const ProgressSink& progress);

}  // namespace servin::image
