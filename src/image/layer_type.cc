// SPDX-License-Identifier: Apache-2.0
#include "image/layer_type.h"

#include "oci/image.h"

namespace servin::image {

archive::Compression compression_of(std::string_view media_type) {
  if (media_type.ends_with("gzip")) return archive::Compression::gzip;
  if (media_type.ends_with("zstd")) return archive::Compression::zstd;
  return archive::Compression::none;
}

bool is_foreign(std::string_view media_type) {
  return media_type.find(".foreign.") != std::string_view::npos ||
         media_type.find(".nondistributable.") != std::string_view::npos;
}

std::string_view layer_media_type(archive::Compression compression) {
  if (compression == archive::Compression::gzip) return oci::media_type::oci_layer_gzip;
  if (compression == archive::Compression::zstd) return oci::media_type::oci_layer_zstd;
  return oci::media_type::oci_layer;
}

}  // namespace servin::image
