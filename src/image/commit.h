// SPDX-License-Identifier: Apache-2.0
// One more layer on an image: the way of `commit` into the store, all or nothing as every image's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "archive/stream.h"
#include "image/load.h"
#include "image/store.h"

namespace servin::image {

struct NewLayer {
  /// The layer's tar, whose bytes are read once.
  std::function<std::unique_ptr<archive::ByteSource>()> open;
  /// Called when all of it is read, before the image is made.
  std::function<void()> taken;
};

/// `config`: of the new image, but for the new layer's diff id, which is added. `reference`: full form, "" for none.
/// Throws E-DISK-FULL and others; nothing remains then.
Loaded commit(ImageStore& store, const Image& base, oci::ImageConfig config, const std::string& reference,
              const NewLayer& layer, const std::string& name, const ProgressSink& progress);

}  // namespace servin::image
