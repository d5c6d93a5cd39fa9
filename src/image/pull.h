// SPDX-License-Identifier: Apache-2.0
// image pull: from a registry into the store, on the same way as load. The registry's answers come through
// servin-transfer; every document and every blob is compared here with the digest and the size that it must have.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "image/downloads.h"
#include "image/load.h"
#include "image/store.h"

namespace servin::image {

struct PullOptions {
  std::string platform;  // "" = the host's
  std::uint64_t max_entries = 0, max_bytes = 0;
  std::function<void()> found;  // a registry has it; what fails from here on is no reason to look elsewhere
};

struct Pulled {
  std::string id;         // "sha256:..."
  std::string reference;  // full form, as it stands in the store
  std::string digest;     // of what the name leads to at the registry
  bool existed = false;
};

/// `places`: where to ask, in order; at least one. Throws E-REGISTRY-*, E-IMAGE-*; what is not whole is not kept, but
/// for blobs of a connection that broke.
Pulled pull(ImageStore& store, transfer::Client& client, const std::vector<RegistryPlace>& places,
            const oci::Reference& reference, const PullOptions& options, const ProgressSink& progress);

}  // namespace servin::image
