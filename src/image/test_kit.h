// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: a store in a temporary folder, and archives made in memory.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <map>
#include <string>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include "archive/tar_writer.h"
#include "base/id.h"
#include "base/strings.h"
#include "image/load.h"
#include "image/scratch.h"
#include "image/store.h"
#include "oci/docker_archive.h"
#include "os/file.h"

namespace servin::image::testing {

/// One folder for each layer, without overlayfs.
class FolderLayers : public LayerStore {
 public:
  explicit FolderLayers(const Paths& paths) : paths_(paths) {}

  class FolderUnpack : public Unpack {
   public:
    explicit FolderUnpack(const Paths& paths) : paths_(paths), scratch_(paths) { make_dirs(scratch_.path() + "/l/fs"); }
    Fd open() const override { return open_file(scratch_.path() + "/l/fs", O_RDONLY | O_DIRECTORY); }
    void commit(const oci::Digest& chain, const oci::Digest&, std::uint64_t bytes) override {
      write_file(scratch_.path() + "/l/size", std::to_string(bytes));
      make_dirs(paths_.snapshots());
      ::rename((scratch_.path() + "/l").c_str(), (paths_.snapshots() + "/" + chain.hex()).c_str());
    }

   private:
    const Paths& paths_;
    Scratch scratch_;
  };

  std::string path(const oci::Digest& chain) const { return paths_.snapshots() + "/" + chain.hex(); }
  bool has(const oci::Digest& chain) override { return path_exists(path(chain)); }
  Fd open(const oci::Digest& chain) override { return open_file(path(chain) + "/fs", O_PATH | O_DIRECTORY); }
  std::unique_ptr<Unpack> begin() override { return std::make_unique<FolderUnpack>(paths_); }
  void remove(const oci::Digest& chain) override { move_to_trash(paths_, path(chain)); }
  std::vector<oci::Digest> list() override {
    std::vector<oci::Digest> chains;
    for (const std::string& name : list_dir(paths_.snapshots())) chains.push_back(oci::Digest::from_hex(name));
    return chains;
  }
  std::uint64_t size(const oci::Digest& chain) override {
    return parse_u64(read_file(path(chain) + "/size").value_or("0")).value_or(0);
  }

 private:
  const Paths& paths_;
};

using Files = std::vector<std::pair<std::string, std::string>>;  // name, content; "name/" is a folder, "name>" a link

inline std::string make_tar(const Files& files) {
  archive::StringSink sink;
  archive::TarWriter tar(sink);
  for (const auto& [name, content] : files) {
    archive::TarEntry entry;
    entry.path = name;
    entry.uid = ::geteuid();
    entry.gid = ::getegid();
    if (name.ends_with('/')) {
      entry.type = archive::TarType::directory;
      entry.mode = 0755;
      tar.add(entry);
    } else if (name.ends_with('>')) {
      entry.path.pop_back();
      entry.type = archive::TarType::symlink;
      entry.mode = 0777;
      entry.link = content;
      tar.add(entry);
    } else {
      tar.add(entry, content);
    }
  }
  tar.finish();
  return sink.take();
}

inline std::string gzip(const std::string& plain) {
  z_stream z{};
  deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, plain.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// An image in memory: layers as tars, lowest first.
struct Sample {
  std::vector<std::string> layers;  // plain tars
  oci::ImageConfig config;
  std::vector<std::string> stored;  // as they lie in the archive

  explicit Sample(std::vector<std::string> tars, bool compressed = false, const std::string& platform = "") {
    layers = std::move(tars);
    config.platform = platform.empty() ? oci::Platform::host() : oci::Platform::parse(platform);
    config.created = "2024-05-06T07:08:09Z";
    config.cmd = {"sh"};
    for (const std::string& tar : layers) {
      config.diff_ids.push_back(oci::Digest::of(tar));
      stored.push_back(compressed ? gzip(tar) : tar);
    }
  }
  std::string config_json() const { return oci::to_json(config); }
  std::string id() const { return oci::Digest::of(config_json()).str(); }
  std::string manifest_json() const {
    oci::Manifest manifest;
    manifest.media_type = oci::media_type::oci_manifest;
    manifest.config = {
        std::string(oci::media_type::oci_config), oci::Digest::of(config_json()), config_json().size(), {}, {}};
    for (std::size_t i = 0; i < stored.size(); ++i)
      manifest.layers.push_back(
          {std::string(stored[i] == layers[i] ? oci::media_type::oci_layer : oci::media_type::oci_layer_gzip),
           oci::Digest::of(stored[i]),
           stored[i].size(),
           {},
           {}});
    return oci::to_json(manifest);
  }
  oci::Descriptor descriptor(const std::string& name = "") const {
    oci::Descriptor d;
    d.media_type = oci::media_type::oci_manifest;
    d.digest = oci::Digest::of(manifest_json());
    d.size = manifest_json().size();
    if (!name.empty()) d.annotations["org.opencontainers.image.ref.name"] = name;
    return d;
  }
  void add_blobs(std::map<std::string, std::string>& files) const {
    auto add = [&](const std::string& blob) { files["blobs/sha256/" + oci::Digest::of(blob).hex()] = blob; };
    add(config_json());
    add(manifest_json());
    for (const std::string& blob : stored) add(blob);
  }
};

inline std::string index_of(std::vector<oci::Descriptor> descriptors) {
  oci::Index index;
  index.media_type = oci::media_type::oci_index;
  index.manifests = std::move(descriptors);
  return oci::to_json(index);
}

inline std::string tar_of(const std::map<std::string, std::string>& files) {
  return make_tar(Files(files.begin(), files.end()));
}

/// The files of an OCI layout of the images with these names.
inline std::map<std::string, std::string> layout_of(const std::vector<std::pair<std::string, const Sample*>>& images) {
  std::map<std::string, std::string> files = {{"oci-layout", R"({"imageLayoutVersion":"1.0.0"})"}};
  std::vector<oci::Descriptor> descriptors;
  for (const auto& [name, sample] : images) {
    sample->add_blobs(files);
    descriptors.push_back(sample->descriptor(name));
  }
  files["index.json"] = index_of(descriptors);
  return files;
}

/// docker save as it was before docker 25.
inline std::map<std::string, std::string> docker_of(const std::vector<std::pair<std::string, const Sample*>>& images) {
  std::map<std::string, std::string> files;
  std::vector<oci::DockerArchiveItem> items;
  for (const auto& [name, sample] : images) {
    oci::DockerArchiveItem item;
    item.config = oci::Digest::of(sample->config_json()).hex() + ".json";
    files[item.config] = sample->config_json();
    if (!name.empty()) item.tags = {name};
    for (std::size_t i = 0; i < sample->stored.size(); ++i) {
      std::string folder = sample->config.diff_ids[i].hex();
      files[folder + "/VERSION"] = "1.0";
      files[folder + "/json"] = "{}";
      files[folder + "/layer.tar"] = sample->stored[i];
      item.layers.push_back(folder + "/layer.tar");
    }
    items.push_back(item);
  }
  files["manifest.json"] = oci::to_json(items);
  return files;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    // In memory where there is room: what is synced costs nothing there.
    char memory[] = "/dev/shm/servin-image-XXXXXX", disk[] = "/tmp/servin-image-XXXXXX";
    struct statvfs room{};
    bool roomy = ::access("/dev/shm", W_OK) == 0 && ::statvfs("/dev/shm", &room) == 0 &&
                 room.f_bavail * room.f_frsize > (1UL << 29U);
    char* name = roomy ? memory : disk;
    base_ = ::mkdtemp(name);
    paths_ = default_paths(base_ + "/root");
    make_dirs(paths_.root);
    db_ = std::make_unique<state::Database>(paths_);
    layers_ = std::make_unique<FolderLayers>(paths_);
    store_ = std::make_unique<ImageStore>(paths_, *db_, *layers_);
  }
  ~StoreTest() override { remove_tree(base_); }

  std::string file(const std::string& name, const std::string& content) {
    std::string path = base_ + "/" + name;
    write_file(path, content);
    return path;
  }
  std::vector<Loaded> load_bytes(const std::string& bytes, const LoadOptions& options = {},
                                 const std::string& name = "archive.tar") {
    std::string path = file(name, bytes);
    Fd fd = open_file(path, O_RDONLY);
    return load(*store_, fd, path, options, nullptr);
  }
  std::string content(const std::string& image, const std::string& path) {
    std::vector<oci::Digest> chain = store_->resolve(image).chain;
    for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer)
      if (auto text = read_file(layers_->path(*layer) + "/fs/" + path)) return *text;
    return "<none>";
  }
  /// Nothing of a load is left.
  void expect_empty() {
    EXPECT_TRUE(db_->images().empty());
    EXPECT_TRUE(list_dir(paths_.blobs()).empty());
    EXPECT_TRUE(list_dir(paths_.snapshots()).empty());
    EXPECT_TRUE(list_dir(paths_.tmp()).empty());
  }
  /// The error's catalogue id; "" when there was none.
  template <typename F>
  std::string error_of(F f) {
    try {
      f();
    } catch (const Error& e) {
      message_ = e.message();
      hint_ = e.hint();
      return e.id().empty() ? std::string(to_string(e.code())) : e.id();
    }
    return "";
  }

  std::string base_, message_, hint_;
  Paths paths_;
  std::unique_ptr<state::Database> db_;
  std::unique_ptr<FolderLayers> layers_;
  std::unique_ptr<ImageStore> store_;
};

}  // namespace servin::image::testing
