// SPDX-License-Identifier: Apache-2.0
#include "image/load.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "image/built_in.h"
#include "image/bundle.h"
#include "image/changes.h"
#include "image/full_disk.h"
#include "image/intake.h"
#include "image/manifest.h"
#include "image/planned.h"
#include "os/file.h"

namespace servin::image {

namespace {

using archive::Compression;

struct OpenedArchive {
  const Fd* file = nullptr;                     // a regular file with the uncompressed tar
  Fd spool;                                     // set when that is a copy of ours
  Compression compression = Compression::none;  // of the original
  bool seekable = false;                        // the original is a regular file
  std::unique_ptr<Bundle> bundle;
};

/// A file in the scratch folder that has no name: gone with its descriptor.
Fd spool_file(const Scratch& scratch) {
  std::string path = scratch.path() + "/spool";
  Fd fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  ::unlink(path.c_str());
  return fd;
}

/// Pipes and compressed archives are copied once, inflated: the documents that say what the layers are may stand at the
/// end.
void spool(OpenedArchive& opened, const Fd& archive, const std::string& path, const LoadOptions& options,
           Intake& intake) {
  std::uint64_t limit = options.max_bytes != 0 ? options.max_bytes : archive::ExtractLimits{}.max_bytes;
  opened.spool = spool_file(intake.scratch());
  std::atomic<std::uint64_t> bytes = 0;
  struct stat st{};
  std::uint64_t total = 0;
  if (opened.seekable && ::fstat(archive.get(), &st) == 0) total = static_cast<std::uint64_t>(st.st_size);
  std::unique_ptr<archive::ByteSource> source;
  if (opened.seekable) {
    source = std::make_unique<archive::RangeSource>(archive, 0, total, path);
  } else {
    source = std::make_unique<archive::FdSource>(archive.dup(), path);
  }
  source = std::make_unique<archive::TeeHashSource>(std::move(source), nullptr, &bytes);
  source = archive::open_auto(std::move(source), &opened.compression);
  source = std::make_unique<archive::LimitedSource>(std::move(source), limit, path);
  auto reader = archive::read_ahead(std::move(source));
  std::string buffer(256U << 10U, '\0');
  while (std::size_t n = reader->read(buffer.data(), buffer.size())) {
    write_all(opened.spool, std::string_view(buffer.data(), n), intake.scratch().path());
    intake.report("reading", bytes, total, false);
  }
  opened.file = &opened.spool;
}

OpenedArchive open_archive(const Fd& archive, const std::string& path, const LoadOptions& options, Intake& intake) {
  OpenedArchive opened;
  struct stat st{};
  if (::fstat(archive.get(), &st) != 0) throw_errno("read {}", path);
  if (S_ISDIR(st.st_mode)) {
    opened.bundle = std::make_unique<FolderBundle>(archive, path);
    if (!opened.bundle->has("index.json"))
      throw invalid_image(path, "the folder is no OCI image layout: it has no index.json");
    return opened;
  }
  opened.seekable = S_ISREG(st.st_mode);
  char first[16] = {};
  ssize_t got = opened.seekable ? ::pread(archive.get(), first, sizeof first, 0) : 0;
  if (got < 0) throw_errno("read {}", path);
  if (opened.seekable && got == 0) throw invalid_image(path, "the file is empty");
  if (opened.seekable) opened.compression = archive::detect(std::string_view(first, static_cast<std::size_t>(got)));
  if (opened.seekable && opened.compression == Compression::none) {
    opened.file = &archive;
  } else {
    spool(opened, archive, path, options, intake);
  }
  return opened;
}

/// What the archive holds, by its members.
std::vector<PlannedImage> read_documents(OpenedArchive& opened, const std::string& path, const LoadOptions& options) {
  if (!opened.bundle) {
    try {
      opened.bundle = std::make_unique<TarBundle>(*opened.file, path);
    } catch (Error& e) {
      if (e.id() == "E-ARCHIVE-DAMAGED")
        throw e.context(path).with_hint(
            "is it an image archive (docker save, OCI layout) or the tar of a root file "
            "system, and complete?");
      throw;
    }
  }
  const Bundle& bundle = *opened.bundle;
  try {
    if (bundle.has("index.json") && (bundle.has("oci-layout") || opened.file == nullptr))
      return plan_oci(bundle, path, options.platform);
    if (bundle.has("manifest.json")) return plan_docker(bundle, path, options.platform);
  } catch (Error& e) {
    // A document that is refused: say whose it is.
    if (e.code() == ErrorCode::invalid_argument && !e.message().starts_with(path)) e.context(path);
    if (e.code() == ErrorCode::invalid_argument && e.id().empty()) e.with_id("E-IMAGE-INVALID");
    throw;
  }
  return {};
}

/// The tar of a root file system: an image of one layer, with the config that the options give.
PlannedImage plan_root(const OpenedArchive& opened, const Fd& original, const std::string& path,
                       const LoadOptions& options) {
  if (options.name.empty())
    throw invalid_image(path, "the tar of a root file system has no image name in it")
        .with_hint("give one: servin image import " + (path.empty() ? "-" : path) + " NAME:TAG");
  PlannedImage image;
  oci::ImageConfig& config = image.parsed;
  config.platform = options.platform.empty() ? oci::Platform::host() : oci::Platform::parse(options.platform);
  config.created = rfc3339(now());
  for (const std::string& change : options.changes) apply_change(config, change);
  oci::HistoryEntry line;
  line.created = config.created;
  line.created_by = "servin image import";
  line.comment = options.message.empty() ? "imported from " + (path == "-" ? "a pipe" : path) : options.message;
  config.history = {line};

  // gzip and zstd are kept as they came; for the others the standard has no media type.
  bool as_it_came =
      opened.seekable && opened.compression != Compression::xz && opened.compression != Compression::bzip2;
  const Fd& file = as_it_came ? original : *opened.file;
  struct stat st{};
  if (::fstat(file.get(), &st) != 0) throw_errno("read {}", path);
  LayerSource layer;
  layer.name = path;
  layer.size = static_cast<std::uint64_t>(st.st_size);
  layer.whole_root = true;
  layer.open = [&file, path, size = layer.size] { return std::make_unique<archive::RangeSource>(file, 0, size, path); };
  image.layers.push_back(std::move(layer));
  return image;
}

/// NAME:TAG of the options: the one image's new name, or which of several is meant.
void apply_name(std::vector<PlannedImage>& images, const std::string& path, const std::string& name) {
  if (name.empty()) return;
  oci::Reference reference = oci::Reference::parse(name);
  if (!reference.digest.empty())
    throw error(ErrorCode::invalid_argument, "cannot name an image {}: a digest cannot be given", name)
        .with_hint("write NAME:TAG");
  std::string full = reference.str();
  if (full == built_in_reference)
    throw error(ErrorCode::invalid_argument, "cannot name an image {}: it is the built-in image's name", name)
        .with_hint("choose another name");
  if (images.size() > 1) {
    std::string known;
    for (const PlannedImage& image : images)
      for (const std::string& other : image.references) known += (known.empty() ? "" : ", ") + other;
    std::erase_if(images, [&](const PlannedImage& image) {
      return std::ranges::find(image.references, full) == image.references.end();
    });
    if (images.empty())
      throw error(ErrorCode::not_found, "{}: none of its images is called {}", path, full)
          .with_id("E-IMAGE-NOT-FOUND")
          .with_hint("it has: " + known + "; without a name all are loaded");
  }
  for (PlannedImage& image : images) image.references = {full};
}

/// The built-in image's name is not given away: an archive cannot put something else in its place.
void protect_built_in(PlannedImage& image) {
  if (std::ranges::find(image.references, built_in_reference) == image.references.end()) return;
  bool same = image.parsed.diff_ids.size() == 1 && image.parsed.diff_ids[0] == built_in_diff();
  if (same) return;
  std::erase(image.references, std::string(built_in_reference));
  log::warn("{} is the built-in image's name: the archive's image does not get it", built_in_reference);
}

/// An image whose layers are all there needs nothing new, unless the archive has another manifest for it to keep.
bool is_complete(ImageStore& store, const PlannedImage& image) {
  auto row = store.database().image(oci::Digest::of(image.config).str());
  if (!row || (!image.manifest.empty() && row->manifest_json != image.manifest)) return false;
  return store.is_whole(*row);
}

/// Can the archive's layers be compared with those of the complete image? Only in the form in which the store has them.
bool is_comparable(ImageStore& store, const PlannedImage& image) {
  if (!image.manifest.empty()) return true;
  auto row = store.database().image(oci::Digest::of(image.config).str());
  if (!row) return false;
  std::vector<oci::Descriptor> layers = oci::parse_manifest(row->manifest_json).layers;
  return std::ranges::equal(layers, image.parsed.diff_ids, {}, &oci::Descriptor::digest);
}

}  // namespace

std::vector<Loaded> take_in(ImageStore& store, std::vector<PlannedImage> images, Intake& intake) {
  std::vector<std::optional<std::size_t>> numbers;
  std::vector<bool> complete;
  for (PlannedImage& image : images) {
    protect_built_in(image);
    intake.claim(image);
    complete.push_back(is_complete(store, image));
    if (complete.back() && !is_comparable(store, image)) {
      numbers.emplace_back();
    } else {
      numbers.emplace_back(intake.plan(std::move(image.layers)));
    }
  }
  intake.take();
  std::vector<FinishedImage> finished;
  for (std::size_t i = 0; i < images.size(); ++i) {
    PlannedImage& image = images[i];
    FinishedImage done;
    done.references = image.references;
    std::vector<TakenLayer> taken;
    if (numbers[i]) taken = intake.layers(*numbers[i]);
    if (image.parsed.diff_ids.empty() && !taken.empty()) {  // a root file system
      image.parsed.diff_ids = {taken.front().diff};
      image.config = oci::to_json(image.parsed);
    }
    done.config = image.config;
    done.diff_ids = image.parsed.diff_ids;
    if (!image.manifest.empty()) {
      done.manifest = image.manifest;
    } else if (!complete[i]) {
      done.manifest = make_manifest(image.config, taken);
    } else {
      done.manifest = store.database().image(oci::Digest::of(image.config).str())->manifest_json;
    }
    finished.push_back(std::move(done));
  }
  return intake.commit(finished);
}

std::vector<Loaded> load(ImageStore& store, const Fd& archive, const std::string& path, const LoadOptions& wanted,
                         const ProgressSink& progress) {
  try {
    LoadOptions options = wanted;
    options.verify_known = true;  // the bytes are here
    store.sweep();
    // What a power cut left half written in the store has no image yet; nobody may mistake it for whole.
    store.collect_garbage(false);
    Intake intake(store, options, progress, path);
    OpenedArchive opened = open_archive(archive, path, options, intake);
    std::vector<PlannedImage> images = read_documents(opened, path, options);
    if (images.empty()) {
      images.push_back(plan_root(opened, archive, path, options));
    } else if (!options.changes.empty()) {
      throw error(ErrorCode::invalid_argument, "{}: --change is for the tar of a root file system", path)
          .with_hint("the archive is an image with a configuration of its own");
    }
    apply_name(images, path, options.name);
    return take_in(store, std::move(images), intake);
  } catch (Error& e) {
    explain_full_disk(e, "load " + path, store.paths());
    throw;
  }
}

}  // namespace servin::image
