// SPDX-License-Identifier: Apache-2.0
// One layer into a folder, with what its archive leaves to the layers below: attributes of folders that have no entry.
#pragma once

#include <functional>
#include <vector>

#include "archive/extract.h"
#include "os/fd.h"

namespace servin::image {

/// extract_layer(), and what it does not do: the root itself counts as an implied folder ("." comes first in the list)
/// when the archive has no entry for it; an opaque root is marked so.
archive::ExtractResult unpack_layer(archive::ByteSource& tar, const Fd& dir, const archive::ExtractOptions& options);
/// Was the layer's root marked as opaque?
bool is_opaque(const Fd& layer);

}  // namespace servin::image
