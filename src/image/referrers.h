// SPDX-License-Identifier: Apache-2.0
// What refers to an image at its registry (oci/referrer.h): a pull keeps it beside the image, a push takes it along, so
// that signatures and bills of materials do not get lost on the way. ROOT/referrers/SUBJECT/DIGEST holds one: its
// manifest and its blobs. It is never used for anything, and what goes wrong with it is a warning: the image is there.
#pragma once

#include <string>
#include <vector>

#include "image/downloads.h"
#include "image/store.h"

namespace servin::image {

class Referrers {
 public:
  Referrers(ImageStore& store, transfer::Client& client, const RegistryPlace& place, const oci::Digest& subject)
      : store_(store), client_(client), place_(place), subject_(subject) {}

  /// After the image is in the store. `name`: for the warning.
  void keep(const std::string& name);
  /// After the image's manifest is at the registry.
  void send(const std::string& name);

 private:
  std::string folder() const { return store_.paths().referrers() + "/" + subject_.hex(); }
  void keep_all(const std::string& name);
  bool keep_one(const oci::Descriptor& entry);
  std::string send_one(const std::string& hex, bool& listed);
  void upload(const std::string& path, const oci::Descriptor& blob);

  ImageStore& store_;
  transfer::Client& client_;
  const RegistryPlace& place_;
  const oci::Digest& subject_;
  std::uint64_t bytes_ = 0;
};

/// For registries without a list of referrers: adds `manifests` to the one under the tag "sha256-HEX".
void list_by_tag(transfer::Client& client, const RegistryPlace& place, const oci::Digest& subject,
                 const std::vector<std::string>& manifests);

/// With the store's lock held: of images that are not there any more. In bytes.
std::uint64_t drop_referrers(const Paths& paths, const std::vector<state::ImageRow>& images, bool dry_run);

}  // namespace servin::image
