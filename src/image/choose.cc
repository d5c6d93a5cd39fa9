// SPDX-License-Identifier: Apache-2.0
// What an index offers, and which of it is taken.
#include "base/strings.h"
#include "image/planned.h"

namespace servin::image {

bool is_attestation(const oci::Descriptor& descriptor) {
  return descriptor.annotations.contains("vnd.docker.reference.type") ||
         (descriptor.platform && descriptor.platform->os == "unknown");
}

bool says_index(const oci::Descriptor& descriptor, const std::string& archive) {
  const std::string& type = descriptor.media_type;
  if (type == oci::media_type::oci_index || type == oci::media_type::docker_manifest_list) return true;
  if (type == oci::media_type::oci_manifest || type == oci::media_type::docker_manifest) return false;
  throw invalid_image(archive, "\"" + printable(type.substr(0, 100)) + "\" is no manifest's media type");
}

const Choice& choose_platform(const std::vector<Choice>& offers, const oci::Platform& wanted, bool exactly,
                              const std::string& name) {
  const Choice* best = nullptr;
  std::string have;
  for (const Choice& offer : offers) {
    have += (have.empty() ? "" : ", ") + offer.platform.str();
    if (!wanted.accepts(offer.platform)) continue;
    // The exact variant before one that merely runs; newer variants before older ones.
    if (best == nullptr || offer.platform.variant == wanted.variant ||
        (best->platform.variant != wanted.variant && offer.platform.variant > best->platform.variant))
      best = &offer;
  }
  if (best != nullptr) return *best;
  if (offers.size() == 1 && !exactly) return offers.front();
  throw error(ErrorCode::not_found, "{}: no image for {}", name, wanted.str())
      .with_id("E-IMAGE-PLATFORM")
      .with_hint("it has: " + printable(have) + "; choose one with --platform");
}

}  // namespace servin::image
