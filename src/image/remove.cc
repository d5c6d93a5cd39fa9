// SPDX-License-Identifier: Apache-2.0
// Removal of images, and garbage collection.
#include <algorithm>
#include <map>
#include <set>

#include <sys/stat.h>

#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "image/downloads.h"
#include "image/lease.h"
#include "image/referrers.h"
#include "image/scratch.h"
#include "image/store.h"

namespace servin::image {

namespace {

Error in_use_error(const std::string& text, const std::vector<std::string>& users, bool running) {
  std::string names = join(users, " ");
  return error(ErrorCode::conflict, "image {} is used by {} {}", text,
               running ? "the running container" : "the stopped container", join(users, ", "))
      .with_id("E-IMAGE-IN-USE")
      .with_hint(running ? "stop and remove it first: servin rm --force " + names
                         : "remove it first (servin rm " + names + "), or the image only: --force");
}

/// What stays: hex names of blobs and chains.
struct Live {
  std::set<std::string> blobs, chains;
  void add(const state::ImageRow& row) {
    for (std::string& hex : split(row.chain_ids, ' ')) chains.insert(std::move(hex));
    for (const oci::Descriptor& layer : oci::parse_manifest(row.manifest_json).layers) blobs.insert(layer.digest.hex());
    for (const oci::Digest& chain : oci::chain_ids(oci::parse_image_config(row.config_json).diff_ids))
      chains.insert(chain.hex());
  }
};

std::uint64_t file_size(const std::string& path) {
  struct stat st{};
  return ::lstat(path.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

}  // namespace

ImageStore::Removed ImageStore::remove(const std::string& text, bool force, const UsersOf& users_of) {
  sweep();
  Removed removed;
  std::optional<Image> image;
  std::string named;
  {
    // Two who take the last two names at once: the second one sees that its name is the last.
    FileLock lock = lock_store(paths_);
    image = find(text);
    if (!image) throw not_found(text);
    named = meant(*image, text);
    if (!named.empty() && image->references.size() > 1) {
      db_.remove_reference(named);
      removed.untagged.push_back(named);
      return removed;
    }
  }
  if (named.empty() && image->references.size() > 1 && !force)
    throw error(ErrorCode::conflict, "image {} has several names: {}", text, join(image->references, ", "))
        .with_id("E-IMAGE-IN-USE")
        .with_hint("remove one by its name, or all with --force");
  Users users = users_of(image->id);
  if (!users.running.empty() && (!force || named.empty())) throw in_use_error(text, users.running, true);
  if (!users.stopped.empty() && !force) throw in_use_error(text, users.stopped, false);
  // A collection elsewhere must not see the moment in which the database may take the image out and put it back.
  FileLock lock = lock_store(paths_);
  image = find(image->id);
  if (!image) throw not_found(text);  // somebody was faster
  removed.untagged = image->references;
  if (users.running.empty() && db_.remove_image(image->id, force)) {
    removed.deleted.push_back(image->id);
    take_garbage(db_.images(), false);
  } else {
    // What runs keeps its image; that loses its name.
    for (const std::string& reference : image->references) db_.remove_reference(reference);
  }
  return removed;
}

ImageStore::Pruned ImageStore::prune(const std::function<bool(const Image&)>& wanted, bool dry_run) {
  sweep();
  Pruned pruned;
  std::vector<std::string> going;
  for (const Image& image : list())
    if (wanted(image) && db_.containers_of_image(image.id).empty()) going.push_back(image.id);
  FileLock lock = lock_store(paths_);
  std::vector<state::ImageRow> rest = db_.images();
  for (const std::string& id : going) {
    if (!dry_run && !db_.remove_image(id)) continue;
    pruned.deleted.push_back(id);
    std::erase_if(rest, [&](const state::ImageRow& row) { return row.id == id; });
  }
  pruned.reclaimed = take_garbage(rest, dry_run) + drop_downloads(paths_, 0, dry_run);
  return pruned;
}

std::uint64_t ImageStore::collect_garbage(bool dry_run) {
  FileLock lock = lock_store(paths_);
  return take_garbage(db_.images(), dry_run);
}

std::uint64_t ImageStore::take_garbage(const std::vector<state::ImageRow>& images, bool dry_run) {
  Live live;
  std::set<std::string> claimed = leased(paths_);
  std::set<std::string> ids;
  for (const state::ImageRow& row : images) {
    ids.insert(row.id);
    try {
      live.add(row);
    } catch (const Error& e) {
      // What a damaged image needs is not known: nothing may go.
      log::warn("image {} is damaged, so nothing is collected: {}", row.id, e.what());
      return 0;
    }
  }
  try {
    if (used_beside_)
      for (std::string& hex : used_beside_(ids)) live.chains.insert(std::move(hex));
  } catch (const Error& e) {
    log::warn("what containers need is not known, so nothing is collected: {}", e.what());
    return 0;
  }
  std::uint64_t bytes = drop_referrers(paths_, images, dry_run);
  for (const std::string& name : list_dir(paths_.blobs())) {
    if (live.blobs.contains(name) || claimed.contains(name)) continue;
    bytes += file_size(paths_.blob(name));
    if (!dry_run) move_to_trash(paths_, paths_.blob(name));
  }
  for (const oci::Digest& chain : layers_.list()) {
    if (live.chains.contains(chain.hex()) || claimed.contains(chain.hex())) continue;
    bytes += layers_.size(chain);
    if (!dry_run) layers_.remove(chain);
  }
  return bytes;
}

void ImageStore::sweep() {
  // A load that was killed while it renamed its work into place left some of it there.
  if (sweep_scratch(paths_) > 0) collect_garbage(false);
}

}  // namespace servin::image
