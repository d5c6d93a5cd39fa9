// SPDX-License-Identifier: Apache-2.0
// Inside of image/intake: one layer on its way, and what the store knows about blobs.
#pragma once

#include <map>
#include <set>
#include <string>

#include "image/intake.h"

namespace servin::image {

struct Intake::Job {
  LayerSource source;
  oci::Digest chain;  // empty until the layer is read, for a root file system
  TakenLayer taken;
  bool have_blob = false;   // in the store, with the diff id that it was found to have
  bool have_layer = false;  // unpacked in the store
  bool verify = false;      // what is there is compared with what comes
  bool inherited = false;
  Sha256 stored_hash, diff_hash;
  std::string blob_file;  // in the scratch folder; empty when the store has it
  std::unique_ptr<LayerStore::Unpack> unpack;
  archive::ExtractResult result;
  bool settled = false;  // both, and an image of the store needs them: they are on the disk for certain
  bool done() const { return have_blob && have_layer && !verify; }
};

/// A blob that an image of the store uses. Which diff id a blob has was checked when it came in; what an archive says
/// about it is not believed.
struct KnownBlob {
  oci::Digest diff;
  std::uint64_t size = 0;
  archive::Compression compression = archive::Compression::none;
};
struct Known {
  std::map<std::string, KnownBlob> blobs;  // by hex digest
  std::set<std::string> chains;            // hex
};
Known known_things(ImageStore& store);

/// Is the layer stored without compression? Reads its first bytes.
bool is_plain(const LayerSource& source);

/// syncfs(2) on the file system of a path.
void sync_file_system(const std::string& path);

}  // namespace servin::image
