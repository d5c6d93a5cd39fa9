// SPDX-License-Identifier: Apache-2.0
#include "image/commit.h"

#include <fcntl.h>

#include "base/error.h"
#include "image/built_in.h"
#include "image/full_disk.h"
#include "image/intake.h"
#include "image/planned.h"
#include "oci/rewrite.h"

namespace servin::image {
namespace {

struct Spooled {
  std::string path;
  oci::Digest digest;
  std::uint64_t size = 0;
};

// Into a file of ours first: the container waits for no more than this, and the digest is known before the image is.
Spooled spool(const NewLayer& layer, Intake& intake) {
  Spooled spooled;
  spooled.path = intake.scratch().path() + "/layer.tar";
  Fd file = open_file(spooled.path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  Sha256 hash;
  auto source = layer.open();
  std::string buffer(256U << 10U, '\0');
  while (std::size_t n = source->read(buffer.data(), buffer.size())) {
    std::string_view bytes(buffer.data(), n);
    hash.update(bytes);
    write_all(file, bytes, spooled.path);
    spooled.size += n;
    intake.report("reading", spooled.size, 0, false);
  }
  spooled.digest = oci::Digest::from_hex(hash.finish_hex());
  return spooled;
}

LayerSource from_file(const std::string& path, const oci::Digest& digest, std::uint64_t size, const oci::Digest& diff,
                      const std::string& name) {
  LayerSource source;
  source.name = name;
  source.digest = digest;
  source.size = size;
  source.diff = diff;
  source.open = [path] { return std::make_unique<archive::FdSource>(open_file(path, O_RDONLY), path); };
  return source;
}

std::vector<LayerSource> layers_of(ImageStore& store, const Image& base) {
  std::vector<LayerSource> layers;
  auto manifest = oci::parse_manifest(base.manifest_json);
  if (manifest.layers.size() != base.config.diff_ids.size())
    throw error(ErrorCode::data_loss, "image {}: its config and its manifest do not fit", base.id)
        .with_id("E-IMAGE-DAMAGED");
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const auto& layer = manifest.layers[i];
    layers.push_back(from_file(store.paths().blob(layer.digest.hex()), layer.digest, layer.size,
                               base.config.diff_ids[i], "layer " + layer.digest.str()));
  }
  return layers;
}

}  // namespace

Loaded commit(ImageStore& store, const Image& base, oci::ImageConfig config, const std::string& reference,
              const NewLayer& layer, const std::string& name, const ProgressSink& progress) {
  if (reference == built_in_reference)
    throw error(ErrorCode::invalid_argument, "cannot name an image {}: it is the built-in image's name", reference)
        .with_hint("choose another name");
  try {
    store.sweep();
    store.collect_garbage(false);
    Intake intake(store, {}, progress, name);
    Spooled spooled = spool(layer, intake);
    if (layer.taken) layer.taken();
    PlannedImage image;
    image.layers = layers_of(store, base);
    image.layers.push_back(from_file(spooled.path, spooled.digest, spooled.size, spooled.digest, name));
    image.layers.back().kept_at = spooled.path;
    config.diff_ids = base.config.diff_ids;
    config.diff_ids.push_back(spooled.digest);
    image.parsed = config;
    image.config = oci::derive_config(base.config_json, config);
    if (!reference.empty()) image.references = {reference};
    std::vector<PlannedImage> images;
    images.push_back(std::move(image));
    return take_in(store, std::move(images), intake).front();
  } catch (Error& e) {
    explain_full_disk(e, "commit " + name, store.paths());
    throw;
  }
}

}  // namespace servin::image
