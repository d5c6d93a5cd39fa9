// SPDX-License-Identifier: Apache-2.0
#include "image/save.h"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <unistd.h>

#include <sys/stat.h>

#include "archive/tar_writer.h"
#include "base/strings.h"
#include "base/time.h"
#include "image/lease.h"
#include "oci/docker_archive.h"

namespace servin::image {

namespace {

constexpr std::string_view layout_file = R"({"imageLayoutVersion":"1.0.0"})";
constexpr std::string_view blob_folder = "blobs/sha256/";
constexpr const char* containerd_name = "io.containerd.image.name";
constexpr const char* ref_name = "org.opencontainers.image.ref.name";
constexpr std::int64_t report_interval = 100'000'000;  // ns

/// One image with the names under which it is saved.
struct Selected {
  Image image;
  oci::Manifest manifest;
  std::vector<oci::Reference> names;
};

/// The archive's blobs: documents at hand, or the size of a file in the store.
struct BlobPlan {
  std::string content;  // empty: from the store
  std::uint64_t size = 0;
  std::string image;  // that needs it, for messages
};
using BlobPlans = std::map<std::string, BlobPlan>;  // by hex digest: the order in the archive

std::vector<Selected> select(ImageStore& store, const std::vector<std::string>& texts) {
  std::vector<Selected> selected;
  for (const std::string& text : texts) {
    Image image = store.resolve(text);
    auto same = std::ranges::find_if(selected, [&](const Selected& s) { return s.image.id == image.id; });
    if (same == selected.end()) {
      oci::Manifest manifest = oci::parse_manifest(image.manifest_json);
      selected.push_back({std::move(image), std::move(manifest), {}});
      same = std::prev(selected.end());
    }
    std::string reference = store.meant(same->image, text);
    auto equal = [&](const oci::Reference& other) { return other.str() == reference; };
    if (!reference.empty() && std::ranges::none_of(same->names, equal))
      same->names.push_back(oci::Reference::parse(reference));
  }
  return selected;
}

BlobPlans plan_blobs(const std::vector<Selected>& images) {
  BlobPlans blobs;
  for (const Selected& selected : images) {
    const Image& image = selected.image;
    blobs[image.manifest_digest.hex()] = {image.manifest_json, image.manifest_json.size(), image.id};
    blobs[selected.manifest.config.digest.hex()] = {image.config_json, image.config_json.size(), image.id};
    for (const oci::Descriptor& layer : selected.manifest.layers)
      blobs[layer.digest.hex()] = {"", layer.size, image.id};
  }
  return blobs;
}

std::string index_json(const std::vector<Selected>& images) {
  std::map<std::string, int> tags;
  for (const Selected& selected : images)
    for (const oci::Reference& name : selected.names) ++tags[name.tag];
  oci::Index index;
  index.media_type = oci::media_type::oci_index;
  for (const Selected& selected : images) {
    oci::Descriptor descriptor;
    descriptor.media_type = selected.manifest.media_type;
    descriptor.digest = selected.image.manifest_digest;
    descriptor.size = selected.image.manifest_json.size();
    descriptor.platform = selected.image.config.platform;
    if (selected.names.empty()) index.manifests.push_back(descriptor);
    for (const oci::Reference& name : selected.names) {
      descriptor.annotations[containerd_name] = name.str();
      // Tools choose an image of a layout by this one: the tag, as long as it tells the images apart.
      descriptor.annotations[ref_name] = tags[name.tag] == 1 ? name.tag : name.str();
      index.manifests.push_back(descriptor);
    }
  }
  return oci::to_json(index);
}

std::string docker_json(const std::vector<Selected>& images) {
  std::vector<oci::DockerArchiveItem> items;
  for (const Selected& selected : images) {
    oci::DockerArchiveItem item;
    item.config = std::string(blob_folder) + selected.manifest.config.digest.hex();
    for (const oci::Reference& name : selected.names) item.tags.push_back(name.str());
    for (const oci::Descriptor& layer : selected.manifest.layers)
      item.layers.push_back(std::string(blob_folder) + layer.digest.hex());
    items.push_back(std::move(item));
  }
  return oci::to_json(items);
}

Error damaged(const std::string& hex, const std::string& image, std::string_view why) {
  return error(ErrorCode::data_loss, "blob sha256:{} of image {} {}", hex, image, why)
      .with_id("E-IMAGE-DAMAGED")
      .with_hint("load the image again");
}

class Writer {
 public:
  Writer(ImageStore& store, const Fd& out, const std::string& name, const ProgressSink& progress)
      : store_(store), sink_(out, name), tar_(sink_), name_(name), progress_(progress) {}

  void folder(std::string_view path) { tar_.add(entry(path, archive::TarType::directory, 0755)); }
  void document(std::string_view path, std::string_view content) {
    tar_.add(entry(path, archive::TarType::file, 0644), content);
  }

  void blobs(const BlobPlans& plans) {
    for (const auto& [hex, plan] : plans) total_ += plan.size;
    for (const auto& [hex, plan] : plans) {
      if (!plan.content.empty()) {
        document(std::string(blob_folder) + hex, plan.content);
      } else {
        stored_blob(hex, plan);
      }
    }
  }

  void finish() {
    tar_.finish();
    sink_.flush();
    report(true);
  }

 private:
  /// No times, no owners: the same images give the same archive.
  static archive::TarEntry entry(std::string_view path, archive::TarType type, std::uint32_t mode) {
    archive::TarEntry e;
    e.path = path;
    e.type = type;
    e.mode = mode;
    return e;
  }

  void stored_blob(const std::string& hex, const BlobPlan& plan) {
    std::string path = store_.paths().blob(hex);
    if (!path_exists(path)) throw damaged(hex, plan.image, "is not in the store");
    Fd file = open_file(path, O_RDONLY | O_NOFOLLOW);
    struct stat st{};
    if (::fstat(file.get(), &st) != 0) throw_errno("read {}", path);
    if (static_cast<std::uint64_t>(st.st_size) != plan.size) throw damaged(hex, plan.image, "has another length");
    archive::TarEntry e = entry(std::string(blob_folder) + hex, archive::TarType::file, 0644);
    e.size = plan.size;
    tar_.begin(e);
    Sha256 hash;
    while (std::size_t n = read_some(file, buffer_.data(), buffer_.size(), path)) {
      std::string_view bytes(buffer_.data(), n);
      hash.update(bytes);
      tar_.write(bytes);
      done_ += n;
      report(false);
    }
    if (hash.finish_hex() != hex) throw damaged(hex, plan.image, "does not have its digest");
  }

  void report(bool finished) {
    if (!progress_) return;
    std::int64_t time = monotonic_ns();
    if (!finished && time - reported_ < report_interval) return;
    reported_ = time;
    progress_(Progress{"writing", name_, finished ? total_ : done_, total_, finished});
  }

  ImageStore& store_;
  archive::FdSink sink_;
  archive::TarWriter tar_;
  const std::string& name_;
  const ProgressSink& progress_;
  std::string buffer_ = std::string(256U << 10U, '\0');
  std::uint64_t done_ = 0, total_ = 0;
  std::int64_t reported_ = 0;
};

}  // namespace

void save(ImageStore& store, const std::vector<std::string>& images, SaveForm form, const Fd& out,
          const std::string& name, const ProgressSink& progress) {
  if (::isatty(out.get()) == 1)
    throw error(ErrorCode::invalid_argument, "refusing to write an archive to a terminal")
        .with_id("E-ARGUMENTS")
        .with_hint("give a file with --output FILE, or redirect the output");
  std::vector<Selected> selected = select(store, images);
  BlobPlans blobs = plan_blobs(selected);
  Lease lease(store.paths());
  std::vector<std::string> names;
  for (const auto& [hex, plan] : blobs) names.push_back(hex);
  lease.claim(names);

  Writer writer(store, out, name, progress);
  writer.folder("blobs/");
  writer.folder(blob_folder);
  writer.blobs(blobs);
  writer.document("index.json", index_json(selected));
  if (form == SaveForm::docker_archive) writer.document("manifest.json", docker_json(selected));
  writer.document("oci-layout", layout_file);
  writer.finish();
}

}  // namespace servin::image
