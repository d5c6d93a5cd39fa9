// SPDX-License-Identifier: Apache-2.0
// image load / import: archives that other tools made, into the store. What an archive is, its bytes say:
// docker-archive
// (`docker save`, the old layout, and with an OCI layout inside), OCI image layout (tar or folder), or the tar of a
// root file system; any of the tars may be gzip, zstd, xz or bzip2.
//
// All or nothing: blobs and unpacked layers are made in scratch folders; when every digest of every image was right
// they are renamed into place, synced, and only then the database names them. A load that is killed leaves a scratch
// folder, which the next command sweeps.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "image/store.h"
#include "os/fd.h"

namespace servin::image {

struct LoadOptions {
  /// NAME:TAG to give instead of the names in the archive. An archive of several images: the one of this name.
  std::string name;
  std::string platform;              // "" = the host's, and the only one there is
  std::uint64_t max_entries = 0;     // per layer; 0 = archive::ExtractLimits'
  std::uint64_t max_bytes = 0;       // unpacked, per layer; 0 = archive::ExtractLimits'
  std::vector<std::string> changes;  // for a root file system's tar: "CMD ...", "ENV K=V" (image/changes.h)
  std::string message;               // its history's comment
  /// Layers that the store has are read all the same and compared: a damaged one is replaced, not used again.
  bool verify_known = false;
};

struct Loaded {
  std::string id;         // "sha256:..."
  std::string reference;  // full form; "" when the archive has no name for it
  bool existed = false;   // image and reference were there before
};

struct Progress {
  std::string step;                   // "reading", "unpacking", "storing"
  std::string object;                 // the archive's name
  std::uint64_t done = 0, total = 0;  // bytes; total 0 = not known
  bool finished = false;
};
/// Called on the caller's thread, at most every 100 ms and once at the end.
using ProgressSink = std::function<void(const Progress&)>;

/// `archive`: an open file, pipe or folder; `path` is its name for messages ("-" is standard input).
/// Names: those of the archive; an OCI reference name that is a bare tag ("latest", "1.2") gets the archive's file name
/// before it (busybox.oci.tar -> busybox:latest).
/// Throws E-IMAGE-INVALID, E-IMAGE-PLATFORM, E-DISK-FULL, E-ARCHIVE-*; nothing of the archive remains then.
std::vector<Loaded> load(ImageStore& store, const Fd& archive, const std::string& path, const LoadOptions& options,
                         const ProgressSink& progress);

}  // namespace servin::image
