// SPDX-License-Identifier: Apache-2.0
// A layer that is stored uncompressed as gzip, for registries. The same layer gives the same bytes each time: no name,
// no time, a fixed level; so what was pushed once is found there the next time.
#pragma once

#include <functional>
#include <string>

#include "image/scratch.h"
#include "image/store.h"

namespace servin::image {

struct Compressed {
  std::string path;  // in the scratch folder
  oci::Digest digest;
  std::uint64_t size = 0;
};

/// Throws E-IMAGE-DAMAGED when the stored bytes do not have their digest.
Compressed compress_blob(ImageStore& store, const oci::Digest& plain, std::uint64_t size, const Scratch& scratch,
                         const std::function<void(std::uint64_t, bool)>& progress);

}  // namespace servin::image
