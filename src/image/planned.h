// SPDX-License-Identifier: Apache-2.0
// What an archive holds, read from its documents, before any layer is touched.
#pragma once

#include <string>
#include <vector>

#include "image/bundle.h"
#include "image/intake.h"
#include "image/load.h"

namespace servin::image {

struct PlannedImage {
  std::string config;    // document
  std::string manifest;  // document; empty: the archive has none, one will be made
  oci::ImageConfig parsed;
  std::vector<LayerSource> layers;
  std::vector<std::string> references;  // full forms
};

/// index.json and what it leads to. `name` is the archive's, for messages and for bare tags.
std::vector<PlannedImage> plan_oci(const Bundle& bundle, const std::string& name, const std::string& platform);
/// manifest.json of `docker save`.
std::vector<PlannedImage> plan_docker(const Bundle& bundle, const std::string& name, const std::string& platform);

/// Images into the store, all or nothing. The intake's lease holds what they share with others.
std::vector<Loaded> take_in(ImageStore& store, std::vector<PlannedImage> images, Intake& intake);

/// One image of an index.
struct Choice {
  oci::Descriptor manifest;
  oci::Platform platform;
};
/// The best for a platform; `exactly`: it was asked for, the only one there is does not do. Throws E-IMAGE-PLATFORM.
const Choice& choose_platform(const std::vector<Choice>& offers, const oci::Platform& wanted, bool exactly,
                              const std::string& name);
/// Build records beside the images (buildx writes them).
bool is_attestation(const oci::Descriptor& descriptor);
/// Does a descriptor lead to an index (true) or a manifest (false)? Throws when its media type is neither's.
bool says_index(const oci::Descriptor& descriptor, const std::string& archive);

/// The error for documents that contradict themselves or each other.
Error invalid_image(const std::string& archive, const std::string& why);
/// How much of an archive may be documents: they are held in memory, and a small archive can name one of them often.
class DocumentBudget {
 public:
  explicit DocumentBudget(const std::string& archive) : archive_(archive) {}
  void add(std::size_t bytes);

 private:
  const std::string& archive_;
  std::size_t bytes_ = 0;
};

/// Each layer with its diff id; throws when the config has another number of them than the manifest.
void pair_layers(PlannedImage& image, const std::string& archive);

}  // namespace servin::image
