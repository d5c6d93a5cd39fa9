// SPDX-License-Identifier: Apache-2.0
#include "image/intake.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "image/compare.h"
#include "image/intake_job.h"
#include "image/planned.h"
#include "image/unpack.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::int64_t report_interval = 100'000'000;  // ns
constexpr std::size_t max_layers = 500;                // overlayfs stacks no more

/// Passes on what it reads, and on the way hashes it, counts it and keeps a copy in a file.
class KeepingSource : public archive::ByteSource {
 public:
  KeepingSource(std::unique_ptr<archive::ByteSource> from, Sha256* hash, const Fd& copy, std::string copy_name,
                std::atomic<std::uint64_t>& bytes, const std::atomic<bool>& stop)
      : from_(std::move(from)),
        hash_(hash),
        copy_(copy),
        copy_name_(std::move(copy_name)),
        bytes_(bytes),
        stop_(stop) {}

  std::size_t read(void* buffer, std::size_t n) override {
    if (stop_) throw Error(ErrorCode::cancelled, "stopped: another layer failed");
    std::size_t got = from_->read(buffer, n);
    std::string_view view(static_cast<const char*>(buffer), got);
    hash_->update(view);
    if (copy_) keep(view);
    bytes_ += got;
    return got;
  }
  void cancel() noexcept override { from_->cancel(); }

 private:
  void keep(std::string_view view) {
    write_all(copy_, view, copy_name_);
    written_ += view.size();
    if (written_ - started_ < flush_step) return;
    // The disk begins with it now, so that the sync at the end finds little left to do.
    ::sync_file_range(copy_.get(), static_cast<off64_t>(started_), static_cast<off64_t>(written_ - started_),
                      SYNC_FILE_RANGE_WRITE);
    started_ = written_;
  }

  static constexpr std::uint64_t flush_step = 8U << 20U;
  std::uint64_t written_ = 0, started_ = 0;
  std::unique_ptr<archive::ByteSource> from_;
  Sha256* hash_;
  const Fd& copy_;
  std::string copy_name_;
  std::atomic<std::uint64_t>& bytes_;
  const std::atomic<bool>& stop_;
};

Error mismatch(const std::string& layer, std::string_view what, const oci::Digest& want, const oci::Digest& got) {
  return error(ErrorCode::data_loss, "{}: {} is {}, not {}", layer, what, got.str(), want.str())
      .with_id("E-IMAGE-DAMAGED")
      .with_hint("the archive is damaged: get or make it again");
}

}  // namespace

Intake::Intake(ImageStore& store, const LoadOptions& options, const ProgressSink& progress, std::string name)
    : store_(store), options_(options), progress_(progress), name_(std::move(name)), lease_(store.paths()) {}

Intake::~Intake() = default;

void Intake::report(const char* step, std::uint64_t done, std::uint64_t total, bool finished) {
  if (!progress_) return;
  std::int64_t time = monotonic_ns();
  if (!finished && time - reported_ < report_interval) return;
  reported_ = time;
  progress_(Progress{step, name_, done, total, finished});
}

void Intake::claim(const PlannedImage& image) {
  auto row = store_.database().image(oci::Digest::of(image.config).str());
  if (!row) return;
  std::vector<std::string> names;
  for (const oci::Descriptor& layer : oci::parse_manifest(row->manifest_json).layers)
    names.push_back(layer.digest.hex());
  for (const oci::Digest& chain : oci::chain_ids(image.parsed.diff_ids)) names.push_back(chain.hex());
  lease_.claim(names);
}

Intake::Job& Intake::job_for(LayerSource source, const oci::Digest& chain) {
  // Images of one archive share layers: each is read once.
  if (auto known = by_chain_.find(chain); known != by_chain_.end()) return *known->second;
  auto job = std::make_unique<Job>();
  job->chain = chain;
  job->taken.digest = source.digest;
  job->taken.diff = source.diff;
  job->taken.size = source.size;
  job->source = std::move(source);
  if (!chain.empty()) by_chain_[chain] = job.get();
  return *jobs_.emplace_back(std::move(job));
}

std::size_t Intake::plan(std::vector<LayerSource> layers) {
  if (layers.size() > max_layers)
    throw error(ErrorCode::unsupported, "{}: the image has {} layers, more than the {} that overlayfs can stack", name_,
                layers.size(), max_layers)
        .with_id("E-IMAGE-INVALID")
        .with_hint("flatten it: export a container of it and import the result");
  std::vector<oci::Digest> diffs;
  for (const LayerSource& layer : layers)
    if (!layer.diff.empty()) diffs.push_back(layer.diff);
  std::vector<oci::Digest> chain = oci::chain_ids(diffs);
  chain.resize(layers.size());
  auto& jobs = images_.emplace_back();
  for (std::size_t i = 0; i < layers.size(); ++i) jobs.push_back(&job_for(std::move(layers[i]), chain[i]));
  return images_.size() - 1;
}

void Intake::look_for_known() {
  std::vector<std::string> names;
  for (auto& job : jobs_) {
    // A layer that is not compressed has one digest only.
    if (job->taken.digest.empty() && !job->taken.diff.empty() && is_plain(job->source))
      job->taken.digest = job->taken.diff;
    if (!job->taken.digest.empty()) names.push_back(job->taken.digest.hex());
    if (!job->chain.empty()) names.push_back(job->chain.hex());
  }
  // Named first, looked at then: a collection that runs now spares what is found.
  lease_.claim(names);
  Known known = known_things(store_);
  for (auto& job : jobs_) {
    auto blob = known.blobs.find(job->taken.digest.hex());
    if (blob != known.blobs.end() && blob->second.diff == job->taken.diff) {
      job->have_blob = true;
      job->taken.compression = blob->second.compression;
      if (job->taken.size == 0) job->taken.size = blob->second.size;
      if (blob->second.size != job->taken.size)
        throw error(ErrorCode::data_loss, "{}: the manifest says {} bytes, it has {}", job->source.name,
                    job->taken.size, blob->second.size)
            .with_id("E-IMAGE-DAMAGED");
    }
    job->have_layer = !job->chain.empty() && store_.layers().has(job->chain);
    job->settled = job->done() && known.chains.contains(job->chain.hex());
    job->verify = options_.verify_known && (job->have_blob || job->have_layer);
    if (!job->done()) total_ += job->source.size;
  }
}

void Intake::take() {
  look_for_known();
  run_all();
}

std::unique_ptr<archive::ByteSource> Intake::pipeline(Job& job, const Fd& blob) {
  std::unique_ptr<archive::ByteSource> source =
      std::make_unique<KeepingSource>(job.source.open(), &job.stored_hash, blob, store_.paths().blobs(), done_, stop_);
  source = archive::open_auto(std::move(source), &job.taken.compression);
  if (job.taken.compression != archive::Compression::none)
    source = std::make_unique<archive::TeeHashSource>(std::move(source), &job.diff_hash);
  return archive::read_ahead(std::move(source));
}

void Intake::run(Job& job, std::size_t number) {
  Fd blob;
  if (job.verify && job.have_blob && hash_file(store_.paths().blob(job.taken.digest.hex())) != job.taken.digest.hex())
    job.have_blob = job.settled = false;  // written again, over the damaged one
  if (!job.have_blob && !job.source.kept_at.empty()) {
    job.blob_file = job.source.kept_at;
  } else if (!job.have_blob) {
    job.blob_file = lease_.scratch().path() + "/blob-" + std::to_string(number);
    blob = open_file(job.blob_file, O_WRONLY | O_CREAT | O_EXCL, 0600);
  }
  archive::ExtractOptions extract;
  if (options_.max_bytes != 0) extract.limits.max_bytes = options_.max_bytes;
  if (options_.max_entries != 0) extract.limits.max_entries = options_.max_entries;
  extract.owners = ::geteuid() == 0;
  if (job.source.whole_root) extract.whiteouts = archive::WhiteoutForm::plain;
  auto tar = pipeline(job, blob);
  if (!job.have_layer || job.verify) {
    job.unpack = store_.layers().begin();
    job.result = unpack_layer(*tar, job.unpack->open(), extract);
  }
  // The digests cover what follows the tar's end too.
  archive::drain(*tar, extract.limits.max_bytes);
  tar.reset();
  check(job);
}

void Intake::check(Job& job) {
  TakenLayer& taken = job.taken;
  oci::Digest stored = oci::Digest::from_hex(job.stored_hash.finish_hex());
  oci::Digest diff =
      taken.compression == archive::Compression::none ? stored : oci::Digest::from_hex(job.diff_hash.finish_hex());
  if (!taken.digest.empty() && taken.digest != stored)
    throw mismatch(job.source.name, "the digest", taken.digest, stored);
  if (!taken.diff.empty() && taken.diff != diff)
    throw mismatch(job.source.name, "the digest of its content", taken.diff, diff);
  taken.digest = stored;
  taken.diff = diff;
}

std::vector<TakenLayer> Intake::layers(std::size_t image) const {
  std::vector<TakenLayer> taken;
  for (const Job* job : images_.at(image)) taken.push_back(job->taken);
  return taken;
}

void Intake::inherit() {
  for (const auto& image : images_) {
    for (std::size_t i = 1; i < image.size(); ++i) {
      Job& job = *image[i];
      if (!job.unpack || job.result.opaque_root || job.result.implied_folders.empty() || job.inherited) continue;
      job.inherited = true;
      std::vector<Fd> opened;
      opened.reserve(i);
      std::vector<const Fd*> lower;
      for (std::size_t below = i; below-- > 0;) {
        const Job& layer = *image[below];
        lower.push_back(&opened.emplace_back(layer.unpack ? layer.unpack->open() : store_.layers().open(layer.chain)));
        if (is_opaque(*lower.back())) break;
      }
      archive::inherit_folders(job.unpack->open(), job.result.implied_folders, lower);
    }
  }
}

std::vector<std::string> Intake::stack(const std::vector<oci::Digest>& diff_ids) {
  std::vector<std::string> names;
  for (const oci::Digest& chain : oci::chain_ids(diff_ids)) {
    // overlayfs does not look at the attributes of a layer's root: what an opaque one hides is left out of the stack.
    if (is_opaque(store_.layers().open(chain))) names.clear();
    names.push_back(chain.hex());
  }
  return names;
}

void Intake::keep_layer(Job& job) {
  LayerStore& layers = store_.layers();
  if (job.have_layer && layers.has(job.chain)) {
    std::string difference = compare_trees(layers.open(job.chain), job.unpack->open());
    if (difference.empty()) return;
    if (auto users = store_.running_on(job.chain); !users.empty()) {
      // Without its files under them they would break in other ways.
      log::warn("layer {} is damaged ({}) and stays while {} run on it: stop them, then load again", job.chain.str(),
                difference, join(users, ", "));
      return;
    }
    log::info("layer {} was damaged ({}): unpacked again", job.chain.str(), difference);
    layers.remove(job.chain);
    job.settled = false;
  }
  job.unpack->commit(job.chain, job.taken.diff, job.result.bytes);
}

/// A download keeps its own name until the database knows the blob: killed before that, the blob is garbage, and the
/// download is what the next pull goes on with.
void Intake::place_blob(const Job& job) {
  std::string from = job.blob_file;
  if (from == job.source.kept_at) {
    std::string second = lease_.scratch().path() + "/blob-" + job.taken.digest.hex();
    if (::link(from.c_str(), second.c_str()) == 0) from = second;  // else a file system without hard links: it moves
  }
  rename_path(from, store_.paths().blob(job.taken.digest.hex()));
}

std::vector<Loaded> Intake::commit(const std::vector<FinishedImage>& images) {
  report("storing", total_, total_, false);
  for (auto& job : jobs_)
    if (job->chain.empty()) job->chain = job->taken.diff;  // the one layer of a root file system
  std::vector<std::string> names;
  for (auto& job : jobs_) names.insert(names.end(), {job->taken.digest.hex(), job->chain.hex()});
  lease_.claim(names);
  inherit();
  bool all_settled = true;
  make_dirs(store_.paths().blobs());
  for (auto& job : jobs_) {
    if (!job->blob_file.empty()) place_blob(*job);
    if (job->unpack) keep_layer(*job);
    job->unpack.reset();
    all_settled = all_settled && job->settled;
  }
  // What the database names is on the disk before it: one sync for all files instead of one for each.
  if (!all_settled) sync_file_system(store_.paths().root);
  std::vector<Loaded> loaded;
  for (const FinishedImage& image : images) remember(image, loaded);
  for (auto& job : jobs_)
    if (!job->source.kept_at.empty()) ::unlink(job->source.kept_at.c_str());
  report("storing", total_, total_, true);
  return loaded;
}

void Intake::remember(const FinishedImage& image, std::vector<Loaded>& loaded) {
  state::Database& db = store_.database();
  state::ImageRow row;
  row.id = oci::Digest::of(image.config).str();
  row.manifest_digest = oci::Digest::of(image.manifest).str();
  row.manifest_json = image.manifest;
  row.config_json = image.config;
  row.chain_ids = join(stack(image.diff_ids), " ");
  for (const oci::Digest& chain : oci::chain_ids(image.diff_ids)) row.size += store_.layers().size(chain);
  row.created = parse_time(oci::parse_image_config(image.config).created).value_or(Time{});
  row.loaded = now();
  bool existed = db.image(row.id).has_value();
  std::vector<std::string> before = db.references_of(row.id);
  db.put_image(row, image.references);
  if (image.references.empty()) loaded.push_back({row.id, "", existed});
  for (const std::string& reference : image.references)
    loaded.push_back({row.id, reference, existed && std::ranges::find(before, reference) != before.end()});
}

}  // namespace servin::image
