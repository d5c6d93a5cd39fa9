// SPDX-License-Identifier: Apache-2.0
#include "image/manifest.h"

#include "image/layer_type.h"

namespace servin::image {

std::string make_manifest(const std::string& config, const std::vector<TakenLayer>& layers) {
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::oci_manifest;
  manifest.config.media_type = oci::media_type::oci_config;
  manifest.config.digest = oci::Digest::of(config);
  manifest.config.size = config.size();
  for (const TakenLayer& layer : layers) {
    oci::Descriptor descriptor;
    descriptor.media_type = layer_media_type(layer.compression);
    descriptor.digest = layer.digest;
    descriptor.size = layer.size;
    manifest.layers.push_back(std::move(descriptor));
  }
  return oci::to_json(manifest);
}

}  // namespace servin::image
