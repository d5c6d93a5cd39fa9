// SPDX-License-Identifier: Apache-2.0
// The image store: blobs by digest (root/blobs/sha256/HEX, verified when written), images and references in the
// database, unpacked layers through a LayerStore. Garbage is what no image refers to.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/paths.h"
#include "oci/image.h"
#include "os/fd.h"
#include "state/database.h"

namespace servin::image {

/// Where unpacked layers live; rootfs/linux implements it with one folder per chain id.
class LayerStore {
 public:
  /// One layer on its way: extract into `dir`, then commit. Destroyed without commit: nothing remains.
  class Unpack {
   public:
    virtual ~Unpack() = default;
    /// The folder to unpack into. Opened anew each time: many layers wait for their commit, descriptors are few.
    virtual Fd open() const = 0;
    /// Appears under its chain id at once; somebody else's equal layer wins a race quietly. `bytes`: unpacked size.
    virtual void commit(const oci::Digest& chain, const oci::Digest& diff, std::uint64_t bytes) = 0;
  };
  virtual ~LayerStore() = default;
  virtual bool has(const oci::Digest& chain) = 0;
  /// The unpacked layer's folder (O_PATH). Throws not_found.
  virtual Fd open(const oci::Digest& chain) = 0;
  virtual std::unique_ptr<Unpack> begin() = 0;
  virtual void remove(const oci::Digest& chain) = 0;  // by rename to trash
  virtual std::vector<oci::Digest> list() = 0;
  virtual std::uint64_t size(const oci::Digest& chain) = 0;  // bytes, as noted at commit
};

struct Image {
  static Image from_row(const state::ImageRow& row, std::vector<std::string> references);

  std::string id;  // "sha256:..."
  oci::Digest manifest_digest;
  std::string manifest_json, config_json;
  oci::ImageConfig config;
  std::vector<oci::Digest> chain;       // what overlayfs stacks, lowest first (an opaque layer hides those below it)
  std::vector<std::string> references;  // full forms
  std::uint64_t size = 0;
  Time created;
};

class ImageStore {
 public:
  ImageStore(const Paths& paths, state::Database& db, LayerStore& layers);

  /// By reference, id or unique id prefix; the built-in image is made at its first use. Throws not_found
  /// E-IMAGE-NOT-FOUND with "did you mean", or conflict when a prefix is ambiguous.
  Image resolve(const std::string& text, const std::string& platform = "");
  std::vector<Image> list();
  void tag(const std::string& image, const std::string& reference);
  struct Removed {
    std::vector<std::string> untagged, deleted;
  };
  struct Users {
    std::vector<std::string> running, stopped;  // names
  };
  using UsersOf = std::function<Users(const std::string& image_id)>;
  /// Docker's rules: a tag of several only untags. The last one of an image that a container uses needs force: that
  /// removes the image if the containers are stopped, and untags it if one runs. An id with several tags needs force,
  /// one of a running container's image fails whatever one says.
  Removed remove(const std::string& image, bool force, const UsersOf& users_of);
  struct Pruned {
    std::vector<std::string> deleted;
    std::uint64_t reclaimed = 0;
  };
  Pruned prune(const std::function<bool(const Image&)>& wanted, bool dry_run);
  /// Blobs and layers that no image refers to and that no running load is about to use go to the trash. In bytes.
  std::uint64_t collect_garbage(bool dry_run);
  /// Stopped containers go on needing the layers of an image that was removed by force. `used_beside` names these (hex
  /// chain ids), given the ids of the images that are there; what it throws keeps everything.
  using UsedBeside = std::function<std::vector<std::string>(const std::set<std::string>& images)>;
  void keep_used(UsedBeside used_beside) { used_beside_ = std::move(used_beside); }
  /// Names of the containers that run on a layer: it cannot be replaced under them.
  using RunningOn = std::function<std::vector<std::string>(const oci::Digest& chain)>;
  void know_running(RunningOn running_on) { running_on_ = std::move(running_on); }
  std::vector<std::string> running_on(const oci::Digest& chain) const {
    return running_on_ ? running_on_(chain) : std::vector<std::string>();
  }
  /// What registries.conf lets a short name stand for: asked when it is no name of an image that is here.
  using OtherNames = std::function<std::vector<oci::Reference>(const std::string& text)>;
  void know_names(OtherNames other_names) { other_names_ = std::move(other_names); }
  /// Which of the image's references does `text` mean? Empty when it is an id.
  std::string meant(const Image& image, const std::string& text);
  /// Are all its blobs and layers there (by name; verify() looks inside)?
  bool is_whole(const state::ImageRow& row);
  /// What killed processes left: scratch folders, and then what was on its way into the store. Every command that
  /// writes to the store begins with it; costs one listing of an empty folder.
  void sweep();

  struct LayerHistory {
    std::string created, created_by, comment;
    std::uint64_t size = 0;
    bool empty_layer = false;
  };
  /// Oldest first; layers that the image's history does not mention are "<missing>".
  std::vector<LayerHistory> history(const Image& image);

  struct Template {
    std::string name, description;
  };
  /// The images that the program carries inside itself, and their makers: `image template ls|create`.
  std::vector<Template> templates();
  /// The template under a new name. Throws not_found with the names that there are.
  Image create_template(const std::string& name, const std::string& reference);

  const Paths& paths() const { return paths_; }
  state::Database& database() { return db_; }
  LayerStore& layers() { return layers_; }

 private:
  std::optional<Image> find(const std::string& text);
  std::optional<Image> find_by_name(const std::vector<oci::Reference>& names);
  std::optional<Image> find_by_id(const std::string& text);
  std::optional<Image> find_by_digest(const oci::Reference& reference);
  Error not_found(const std::string& text);
  /// With the store's lock held: everything that none of `images` needs.
  std::uint64_t take_garbage(const std::vector<state::ImageRow>& images, bool dry_run);
  const Paths& paths_;
  state::Database& db_;
  LayerStore& layers_;
  UsedBeside used_beside_;
  RunningOn running_on_;
  OtherNames other_names_;
};

}  // namespace servin::image
