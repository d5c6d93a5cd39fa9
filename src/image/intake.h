// SPDX-License-Identifier: Apache-2.0
// The way of images into the store: layers are read once (hashed, kept, inflated, hashed again, unpacked), two at a
// time; then everything is renamed into place, synced, and named in the database. Nothing is visible before that.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "archive/extract.h"
#include "archive/stream.h"
#include "image/lease.h"
#include "image/load.h"
#include "image/store.h"

namespace servin::image {

/// One layer of an archive.
struct LayerSource {
  std::function<std::unique_ptr<archive::ByteSource>()> open;  // its bytes as stored (maybe compressed)
  std::string name;                                            // for messages
  oci::Digest digest;                                          // of the stored bytes; empty when not known
  std::uint64_t size = 0;                                      // stored bytes
  oci::Digest diff;         // of the tar inside; empty for a root file system: it is found out
  bool whole_root = false;  // a root file system: whiteouts are an error
  /// Set when the bytes are in a file of ours once they are read (a download): it becomes the blob, nothing is copied.
  std::string kept_at;
};

/// What became of it.
struct TakenLayer {
  oci::Digest digest, diff;
  std::uint64_t size = 0;  // stored
  archive::Compression compression = archive::Compression::none;
};

/// An image whose layers are taken, ready for the database.
struct FinishedImage {
  std::string manifest, config;         // documents
  std::vector<std::string> references;  // full forms
  std::vector<oci::Digest> diff_ids;
};

struct PlannedImage;

class Intake {
 public:
  Intake(ImageStore& store, const LoadOptions& options, const ProgressSink& progress, std::string name);
  ~Intake();

  const Scratch& scratch() const { return lease_.scratch(); }
  /// Keeps collections away from what an image of the store needs (see Lease).
  void claim(const PlannedImage& image);
  /// The layers of one image, lowest first. Nothing is read yet. The number is for layers().
  std::size_t plan(std::vector<LayerSource> layers);
  /// Reads and unpacks what all planned images need and the store has not got.
  void take();
  std::vector<TakenLayer> layers(std::size_t image) const;
  /// Renames, syncs, writes the database. One Loaded for each reference (or one without, when there is none).
  std::vector<Loaded> commit(const std::vector<FinishedImage>& images);
  /// Tells the caller how far a step is, at most every 100 ms.
  void report(const char* step, std::uint64_t done, std::uint64_t total, bool finished);

 private:
  struct Job;
  Job& job_for(LayerSource source, const oci::Digest& chain);
  void look_for_known();
  void run_all();
  void run(Job& job, std::size_t number);
  std::unique_ptr<archive::ByteSource> pipeline(Job& job, const Fd& blob);
  static void check(Job& job);
  void place_blob(const Job& job);
  void inherit();
  void keep_layer(Job& job);
  std::vector<std::string> stack(const std::vector<oci::Digest>& diff_ids);
  void remember(const FinishedImage& image, std::vector<Loaded>& loaded);

  ImageStore& store_;
  LoadOptions options_;
  const ProgressSink& progress_;
  std::string name_;
  Lease lease_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::map<oci::Digest, Job*> by_chain_;
  std::vector<std::vector<Job*>> images_;
  std::atomic<std::uint64_t> done_ = 0;
  std::uint64_t total_ = 0;
  std::atomic<bool> stop_ = false;
  std::int64_t reported_ = 0;  // monotonic
};

}  // namespace servin::image
