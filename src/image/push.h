// SPDX-License-Identifier: Apache-2.0
// image push: what the registry lacks is uploaded, the manifest comes last. Layers go as they are stored; those that
// are stored uncompressed (docker-archive has them so) are compressed on the way, always to the same bytes.
#pragma once

#include <string>
#include <vector>

#include "image/downloads.h"
#include "image/load.h"
#include "image/store.h"

namespace servin::image {

struct Pushed {
  std::string digest;  // of the manifest at the registry
  std::uint64_t size = 0;
  std::uint64_t uploaded = 0, mounted = 0, existed = 0;  // layers
};

/// `registry`: the name of it in references (docker.io), where other repositories may have the same layers.
Pushed push(ImageStore& store, transfer::Client& client, const RegistryPlace& place, const Image& image,
            const oci::Reference& target, const ProgressSink& progress);

}  // namespace servin::image
