// SPDX-License-Identifier: Apache-2.0
// Documents of a registry: what is small enough to be held in memory. Layers come by downloads.h.
#pragma once

#include <string>

#include "image/downloads.h"
#include "oci/image.h"
#include "transfer/client/client.h"

namespace servin::image {

/// E-REGISTRY-LIES.
Error registry_lies(const RegistryPlace& place, std::string_view why);

/// A request whose bytes come through a pipe, at most `limit` of them. `answer`: what servin-transfer says of them.
std::string fetch_bytes(transfer::Client& client, const RegistryPlace& place, transfer::Client::Request request,
                        std::size_t limit, transfer::Answer& answer);

/// A whole blob, compared with its digest. `what`: "config".
std::string fetch_small_blob(transfer::Client& client, const RegistryPlace& place, const oci::Descriptor& blob,
                             std::string_view what);

/// Sends a manifest. What the registry said of it: "digest", "subject".
transfer::Answer put_manifest(transfer::Client& client, const RegistryPlace& place, const std::string& reference,
                              std::string_view type, const std::string& document);

}  // namespace servin::image
