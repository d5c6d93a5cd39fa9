// SPDX-License-Identifier: Apache-2.0
// OCI image layout: index.json leads to manifests, or to further indexes with one manifest for each platform.
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "image/planned.h"
#include "oci/docker_archive.h"

namespace servin::image {

namespace {

constexpr int max_depth = 4;  // indexes in indexes
constexpr std::size_t max_documents = 1000;
constexpr const char* containerd_name = "io.containerd.image.name";
constexpr const char* ref_name = "org.opencontainers.image.ref.name";

class LayoutReader {
 public:
  LayoutReader(const Bundle& bundle, const std::string& name, const std::string& platform)
      : bundle_(bundle),
        name_(name),
        explicit_(!platform.empty()),
        wanted_(platform.empty() ? oci::Platform::host() : oci::Platform::parse(platform)) {}

  std::vector<PlannedImage> read() {
    oci::Index index = oci::parse_index(bundle_.read("index.json", oci::max_manifest_size));
    if (index.manifests.size() > max_documents) throw too_many();
    std::vector<PlannedImage> images;
    for (auto& group : groups(index)) {
      std::vector<Choice> offers;
      for (const oci::Descriptor& descriptor : group) collect(descriptor, 0, offers);
      if (offers.empty()) continue;
      PlannedImage image = plan(choose_platform(offers, wanted_, explicit_, name_).manifest);
      image.references = names_of(group.front());
      images.push_back(std::move(image));
    }
    if (images.empty()) throw invalid_image(name_, "the layout's index names no image");
    return images;
  }

 private:
  /// Entries of one name are one image for several platforms; entries without a platform stand for themselves.
  static std::vector<std::vector<oci::Descriptor>> groups(const oci::Index& index) {
    std::vector<std::vector<oci::Descriptor>> result;
    for (const oci::Descriptor& descriptor : index.manifests) {
      auto same = std::ranges::find_if(result, [&](const auto& group) {
        return descriptor.platform && group.front().platform && group.front().annotations == descriptor.annotations;
      });
      if (same != result.end()) {
        same->push_back(descriptor);
      } else {
        result.push_back({descriptor});
      }
    }
    return result;
  }

  std::string document(const oci::Descriptor& descriptor, std::size_t limit) {
    if (++documents_ > max_documents) throw too_many();
    std::string path = "blobs/sha256/" + descriptor.digest.hex();
    std::uint64_t size = bundle_.size(path);
    if (size != descriptor.size)
      throw damaged(fmt::format("{} has {} bytes, its descriptor says {}", path, size, descriptor.size));
    std::string text = bundle_.read(path, limit);
    budget_.add(text.size());
    if (oci::Digest::of(text) != descriptor.digest) throw damaged(path + " does not have its digest");
    return text;
  }

  Error too_many() const {
    return invalid_image(name_, fmt::format("more than {} manifests, indexes and configs", max_documents));
  }

  Error damaged(const std::string& why) const {
    return error(ErrorCode::data_loss, "{}: {}", name_, why)
        .with_id("E-IMAGE-DAMAGED")
        .with_hint("the archive is damaged: get or make it again");
  }

  void collect(const oci::Descriptor& descriptor, int depth, std::vector<Choice>& offers) {
    if (is_attestation(descriptor)) return;
    if (depth > max_depth) throw invalid_image(name_, fmt::format("indexes nested deeper than {}", max_depth));
    if (!says_index(descriptor, name_)) {
      offers.push_back({descriptor, descriptor.platform ? *descriptor.platform : platform_in_config(descriptor)});
      return;
    }
    oci::Index index = oci::parse_index(document(descriptor, oci::max_manifest_size));
    for (const oci::Descriptor& next : index.manifests) {
      // Archives of one platform keep the whole index, but not the manifests of the others.
      if (!bundle_.has("blobs/sha256/" + next.digest.hex())) continue;
      collect(next, depth + 1, offers);
    }
  }

  oci::Platform platform_in_config(const oci::Descriptor& descriptor) {
    oci::Manifest manifest = oci::parse_manifest(document(descriptor, oci::max_manifest_size));
    return oci::parse_image_config(document(manifest.config, oci::max_config_size)).platform;
  }

  PlannedImage plan(const oci::Descriptor& descriptor) {
    PlannedImage image;
    image.manifest = document(descriptor, oci::max_manifest_size);
    oci::Manifest manifest = oci::parse_manifest(image.manifest);
    image.config = document(manifest.config, oci::max_config_size);
    image.parsed = oci::parse_image_config(image.config);
    for (const oci::Descriptor& layer : manifest.layers) {
      std::string path = "blobs/sha256/" + layer.digest.hex();
      std::uint64_t size = bundle_.size(path);
      if (size != layer.size)
        throw damaged(fmt::format("{} has {} bytes, its descriptor says {}", path, size, layer.size));
      LayerSource source;
      source.digest = layer.digest;
      source.size = size;
      source.open = [&bundle = bundle_, path] { return bundle.open(path); };
      image.layers.push_back(std::move(source));
    }
    pair_layers(image, name_);
    return image;
  }

  /// "busybox" out of "/tmp/busybox.oci.tar"; empty when that is no name.
  std::string archive_stem() const {
    std::string_view path = name_;
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    std::string file = lower(path.substr(path.rfind('/') + 1));
    std::string stem = file.substr(0, file.find('.'));
    try {
      return stem.empty() || stem == "-" ? "" : oci::Reference::parse(stem).familiar_name();
    } catch (const Error&) {
      return "";
    }
  }

  std::vector<std::string> names_of(const oci::Descriptor& descriptor) const {
    auto full = descriptor.annotations.find(containerd_name);
    if (full != descriptor.annotations.end()) return {oci::Reference::parse(full->second).str()};
    auto short_name = descriptor.annotations.find(ref_name);
    if (short_name == descriptor.annotations.end()) return {};
    const std::string& text = short_name->second;
    bool bare = text.find_first_of("/:") == std::string::npos;
    bool tag_only = bare && (text == "latest" || text.find_first_of("0123456789") <= 1);
    std::string stem = tag_only ? archive_stem() : "";
    if (tag_only && stem.empty()) return {};
    try {
      return {oci::Reference::parse(tag_only ? stem + ":" + text : text).str()};
    } catch (Error& e) {
      throw e.context(name_);
    }
  }

  const Bundle& bundle_;
  const std::string& name_;
  bool explicit_;
  oci::Platform wanted_;
  std::size_t documents_ = 0;
  DocumentBudget budget_{name_};
};

}  // namespace

std::vector<PlannedImage> plan_oci(const Bundle& bundle, const std::string& name, const std::string& platform) {
  std::vector<PlannedImage> images = LayoutReader(bundle, name, platform).read();
  if (!bundle.has("manifest.json")) return images;
  // What docker 25 and later save is both; docker's own document knows all the names.
  std::set<std::string> known;
  for (const PlannedImage& image : images) known.insert(image.references.begin(), image.references.end());
  for (const auto& item : oci::parse_docker_archive(bundle.read("manifest.json", oci::max_manifest_size))) {
    auto image = std::ranges::find_if(images, [&](const PlannedImage& planned) {
      return item.config.ends_with(oci::Digest::of(planned.config).hex());
    });
    if (image == images.end()) continue;
    for (const std::string& tag : item.tags)
      if (std::string full = oci::Reference::parse(tag).str(); known.insert(full).second)
        image->references.push_back(full);
  }
  return images;
}

}  // namespace servin::image
