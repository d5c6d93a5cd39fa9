// SPDX-License-Identifier: Apache-2.0
#include "base/id.h"
#include "base/strings.h"
#include "image/planned.h"
#include "oci/docker_archive.h"

namespace servin::image {

namespace {

constexpr std::string_view blob_folder = "blobs/sha256/";

/// The digest that a path of docker's archives promises: HEX.json, blobs/sha256/HEX.
oci::Digest digest_in(std::string_view path) {
  if (path.starts_with(blob_folder)) path.remove_prefix(blob_folder.size());
  if (path.ends_with(".json")) path.remove_suffix(5);
  return is_full_id(path) ? oci::Digest::from_hex(path) : oci::Digest();
}

LayerSource layer_at(const Bundle& bundle, const std::string& path) {
  LayerSource layer;
  layer.name = path;
  layer.size = bundle.size(path);
  if (std::string_view(path).starts_with(blob_folder)) layer.digest = digest_in(path);
  layer.open = [&bundle, path] { return bundle.open(path); };
  return layer;
}

PlannedImage plan_item(const Bundle& bundle, const std::string& name, const oci::DockerArchiveItem& item,
                       DocumentBudget& budget) {
  PlannedImage image;
  image.config = bundle.read(item.config, oci::max_config_size);
  budget.add(image.config.size());
  oci::Digest promised = digest_in(item.config);
  if (!promised.empty() && promised != oci::Digest::of(image.config))
    throw error(ErrorCode::data_loss, "{}: {} does not have the digest that its name says", name, item.config)
        .with_id("E-IMAGE-DAMAGED")
        .with_hint("the archive is damaged: get or make it again");
  image.parsed = oci::parse_image_config(image.config);
  for (const std::string& path : item.layers) image.layers.push_back(layer_at(bundle, path));
  for (const std::string& tag : item.tags) image.references.push_back(oci::Reference::parse(tag).str());
  pair_layers(image, name);
  return image;
}

}  // namespace

Error invalid_image(const std::string& archive, const std::string& why) {
  return error(ErrorCode::invalid_argument, "{}: {}", archive, why).with_id("E-IMAGE-INVALID");
}

void DocumentBudget::add(std::size_t bytes) {
  constexpr std::size_t each = 4096;  // what the smallest one costs
  constexpr std::size_t limit = 256U << 20U;
  bytes_ += bytes + each;
  if (bytes_ > limit)
    throw error(ErrorCode::resource_exhausted, "{}: the archive's documents are larger than {} bytes together",
                archive_, limit)
        .with_id("E-ARCHIVE-LIMIT");
}

void pair_layers(PlannedImage& image, const std::string& archive) {
  const std::vector<oci::Digest>& diffs = image.parsed.diff_ids;
  if (diffs.size() != image.layers.size())
    throw invalid_image(archive,
                        fmt::format("the config names {} layers, the manifest {}", diffs.size(), image.layers.size()));
  for (std::size_t i = 0; i < diffs.size(); ++i) {
    image.layers[i].diff = diffs[i];
    image.layers[i].name = archive + ": layer " + std::string(short_id(diffs[i].hex()));
  }
}

std::vector<PlannedImage> plan_docker(const Bundle& bundle, const std::string& name, const std::string& platform) {
  std::vector<PlannedImage> images;
  std::string offered;
  DocumentBudget budget(name);
  for (const auto& item : oci::parse_docker_archive(bundle.read("manifest.json", oci::max_manifest_size))) {
    PlannedImage image = plan_item(bundle, name, item, budget);
    if (!platform.empty() && !oci::Platform::parse(platform).accepts(image.parsed.platform)) {
      offered += (offered.empty() ? "" : ", ") + image.parsed.platform.str();
      continue;
    }
    images.push_back(std::move(image));
  }
  if (!images.empty()) return images;
  if (offered.empty()) throw invalid_image(name, "the archive holds no image");
  throw error(ErrorCode::not_found, "{}: no image for {}", name, platform)
      .with_id("E-IMAGE-PLATFORM")
      .with_hint("it has: " + offered);
}

}  // namespace servin::image
