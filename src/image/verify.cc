// SPDX-License-Identifier: Apache-2.0
#include "image/verify.h"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <set>
#include <unistd.h>

#include <sys/stat.h>

#include "archive/extract.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "image/compare.h"
#include "image/intake_job.h"
#include "image/lease.h"
#include "image/scratch.h"
#include "image/unpack.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::int64_t report_interval = 100'000'000;  // ns

/// What the images of the store need, and who needs it.
struct Layer {
  oci::Digest chain, diff, blob;
  std::vector<oci::Digest> below;  // chains, topmost first
};
struct Needs {
  std::map<std::string, std::vector<std::string>> blobs;  // hex -> image ids
  std::map<std::string, std::uint64_t> sizes;
  std::vector<Layer> layers;  // each once, those below before those above
};

class Verifier {
 public:
  Verifier(ImageStore& store, bool repair, const ProgressSink& progress)
      : store_(store), repair_(repair), progress_(progress), lease_(store.paths()) {}

  Verified run() {
    check_images();
    claim();
    for (const auto& [hex, images] : needs_.blobs) check_blob(hex);
    for (const Layer& layer : needs_.layers) check_layer(layer);
    if (repair_) drop_damaged();
    report("checking", true);
    return std::move(result_);
  }

 private:
  void check_images() {
    for (const state::ImageRow& row : store_.database().images()) {
      ++result_.images;
      try {
        check_documents(row);
        add_needs(row);
      } catch (const Error& e) {
        Finding& finding = add("image " + row.id, e.what(), "remove it and load it again: servin rmi " + row.id);
        if (repair_) finding.repaired = drop_image(row.id);
      }
    }
  }

  static void check_documents(const state::ImageRow& row) {
    if (oci::Digest::of(row.config_json).str() != row.id)
      throw Error(ErrorCode::data_loss, "its config does not have its digest");
    if (oci::Digest::of(row.manifest_json).str() != row.manifest_digest)
      throw Error(ErrorCode::data_loss, "its manifest does not have its digest");
  }

  void add_needs(const state::ImageRow& row) {
    oci::Manifest manifest = oci::parse_manifest(row.manifest_json);
    std::vector<oci::Digest> diffs = oci::parse_image_config(row.config_json).diff_ids;
    std::vector<oci::Digest> chain = oci::chain_ids(diffs);
    if (manifest.layers.size() != chain.size())
      throw Error(ErrorCode::data_loss, "its config and manifest name different numbers of layers");
    Layer layer;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const std::string& hex = manifest.layers[i].digest.hex();
      needs_.blobs[hex].push_back(row.id);
      needs_.sizes[hex] = manifest.layers[i].size;
      layer.chain = chain[i];
      layer.diff = diffs[i];
      layer.blob = manifest.layers[i].digest;
      if (chains_.insert(chain[i]).second) needs_.layers.push_back(layer);
      layer.below.insert(layer.below.begin(), chain[i]);
    }
  }

  void claim() {
    std::vector<std::string> names;
    for (const auto& [hex, images] : needs_.blobs) names.push_back(hex);
    for (const Layer& layer : needs_.layers) names.push_back(layer.chain.hex());
    lease_.claim(names);
    for (const auto& [hex, size] : needs_.sizes) total_ += 2 * size;
  }

  void check_blob(const std::string& hex) {
    ++result_.blobs;
    std::string path = store_.paths().blob(hex);
    std::string problem;
    try {
      if (!path_exists(path)) {
        problem = "is not there";
      } else if (hash_file(path, [this](std::size_t n) { count(n); }) != hex) {
        problem = "does not have its digest";
      }
    } catch (const Error& e) {
      problem = e.what();
    }
    if (problem.empty()) return;
    bad_blobs_.insert(hex);
    Finding& finding = add("blob sha256:" + hex, problem, "load again: " + join(names_of(needs_.blobs[hex]), ", "));
    if (!repair_) return;
    // Out of the way, so that the next load writes it anew.
    move_to_trash(store_.paths(), path);
    finding.repaired = false;
  }

  /// Unpacks the blob once more beside the layer and compares the two trees.
  void check_layer(const Layer& layer) {
    ++result_.layers;
    std::string object = "layer " + layer.chain.str();
    LayerStore& layers = store_.layers();
    bool there = layers.has(layer.chain);
    if (bad_blobs_.contains(layer.blob.hex())) {
      if (!there) add(object, "is not there, and its blob is damaged", "load its image again");
      return;
    }
    try {
      auto fresh = layers.begin();
      archive::ExtractResult result = unpack(layer, fresh->open());
      // Folders that the layer has from those below are as wrong as those are.
      bool base_damaged = std::ranges::any_of(layer.below, [&](const auto& chain) { return damaged_.contains(chain); });
      std::vector<std::string> unjudged = base_damaged ? result.implied_folders : std::vector<std::string>();
      std::string difference =
          there ? compare_trees(layers.open(layer.chain), fresh->open(), unjudged) : "is not there";
      if (difference.empty()) return;
      if (!repair_) damaged_.insert(layer.chain);
      Finding& finding = add(object, difference, "servin system doctor --repair");
      if (!repair_) return;
      if (auto users = store_.running_on(layer.chain); there && !users.empty()) {
        // Without its files under them they would break in other ways.
        finding.fix = "stop " + join(users, ", ") + ", then: servin system doctor --repair";
        return;
      }
      if (there) layers.remove(layer.chain);
      fresh->commit(layer.chain, layer.diff, result.bytes);
      finding.repaired = true;
      finding.fix.clear();
    } catch (const Error& e) {
      add(object, e.what(), "load its image again");
    }
  }

  archive::ExtractResult unpack(const Layer& layer, const Fd& dir) {
    Fd file = open_file(store_.paths().blob(layer.blob.hex()), O_RDONLY | O_NOFOLLOW);
    std::unique_ptr<archive::ByteSource> source =
        std::make_unique<archive::FdSource>(std::move(file), "blob " + layer.blob.str());
    source = std::make_unique<archive::TeeHashSource>(std::move(source), nullptr, &done_);
    auto tar = archive::read_ahead(archive::open_auto(std::move(source)));
    archive::ExtractOptions options;
    options.owners = ::geteuid() == 0;
    archive::ExtractResult result = unpack_layer(*tar, dir, options);
    std::vector<Fd> below;
    std::vector<const Fd*> lower;
    below.reserve(layer.below.size());
    for (const oci::Digest& chain : layer.below) {
      if (!store_.layers().has(chain)) continue;
      lower.push_back(&below.emplace_back(store_.layers().open(chain)));
      if (is_opaque(below.back())) break;
    }
    if (!lower.empty() && !result.opaque_root) archive::inherit_folders(dir, result.implied_folders, lower);
    report("checking", false);
    return result;
  }

  std::vector<std::string> names_of(const std::vector<std::string>& ids) {
    std::set<std::string> names;
    for (const std::string& id : ids) {
      std::vector<std::string> references = store_.database().references_of(id);
      if (references.empty()) names.insert(id);
      for (const std::string& reference : references) names.insert(oci::Reference::parse(reference).familiar());
    }
    return {names.begin(), names.end()};
  }

  /// Images whose blobs are damaged go, unless a container stands on them.
  void drop_damaged() {
    for (Finding& finding : result_.findings) {
      if (!finding.object.starts_with("blob ")) continue;
      bool all = true;
      for (const std::string& id : needs_.blobs[finding.object.substr(12)]) all = drop_image(id) && all;
      finding.repaired = all;
      if (!all) finding.detail += "; containers use an image that needs it, which stays";
    }
  }

  bool drop_image(const std::string& id) {
    FileLock lock = lock_store(store_.paths());
    return store_.database().remove_image(id);
  }

  Finding& add(std::string object, std::string detail, std::string fix) {
    return result_.findings.emplace_back(Finding{std::move(object), std::move(detail), std::move(fix), false});
  }

  void count(std::size_t bytes) {
    done_ += bytes;
    report("checking", false);
  }

  void report(const char* step, bool finished) {
    if (!progress_) return;
    std::int64_t time = monotonic_ns();
    if (!finished && time - reported_ < report_interval) return;
    reported_ = time;
    progress_(Progress{step, "the image store", finished ? total_ : done_.load(), total_, finished});
  }

  ImageStore& store_;
  bool repair_;
  const ProgressSink& progress_;
  Lease lease_;
  Needs needs_;
  std::set<oci::Digest> chains_, damaged_;
  std::set<std::string> bad_blobs_;
  Verified result_;
  std::atomic<std::uint64_t> done_ = 0;
  std::uint64_t total_ = 0;
  std::int64_t reported_ = 0;
};

}  // namespace

Verified verify(ImageStore& store, bool repair, const ProgressSink& progress) {
  store.sweep();
  Verified result = Verifier(store, repair, progress).run();
  if (!repair) return result;
  store.collect_garbage(false);  // after the verifier's own lease
  // The database names these already, so they have to be on the disk as well.
  if (!result.findings.empty()) sync_file_system(store.paths().root);
  return result;
}

}  // namespace servin::image
