// SPDX-License-Identifier: Apache-2.0
#include "rootfs/linux/overlay.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "image/scratch.h"
#include "os/file.h"

namespace servin::rootfs {

namespace {

constexpr unsigned private_mode = 0700;

void make_dir(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) != 0) throw_errno("make folder {}", path);
}

/// ROOT/tmp/PID-START-RANDOM/{fs,note} on its way to ROOT/snapshots/CHAIN.
class OverlayUnpack : public image::LayerStore::Unpack {
 public:
  explicit OverlayUnpack(const Paths& paths) : paths_(paths), scratch_(paths) {
    // In a folder of its own: the scratch folder itself goes away with this object.
    make_dir(tree(), private_mode);
    make_dir(tree() + "/fs", 0755);
    // A layer without an entry for its root gets this: the umask must not show.
    if (::fchmod(open().get(), 0755) != 0) throw_errno("set the mode of {}/fs", tree());
  }

  Fd open() const override { return open_file(tree() + "/fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW); }

  void commit(const oci::Digest& chain, const oci::Digest& diff, std::uint64_t bytes) override {
    write_file(tree() + "/note", fmt::format("{} {}\n", bytes, diff.str()));
    make_dirs(paths_.snapshots());
    std::string to = paths_.snapshots() + "/" + chain.hex();
    if (::rename(tree().c_str(), to.c_str()) == 0) return;
    // Somebody else was first: the same content under the same name.
    if (errno != EEXIST && errno != ENOTEMPTY) throw_errno("rename {} to {}", tree(), to);
  }

 private:
  std::string tree() const { return scratch_.path() + "/layer"; }

  const Paths& paths_;
  image::Scratch scratch_;
};

/// The merged root's own attributes are those of the upper folder: they are taken from the image's topmost layer.
void copy_root_attributes(const std::string& from, const std::string& to) {
  struct stat st{};
  if (::lstat(from.c_str(), &st) != 0 || !S_ISDIR(st.st_mode)) {
    if (errno == ENOENT)
      throw error(ErrorCode::data_loss, "layer {} is not there", from)
          .with_id("E-LAYER-MISSING")
          .with_hint("servin system doctor --repair");
    throw_errno("read {}", from);
  }
  if (::chmod(to.c_str(), st.st_mode & 07777U) != 0) throw_errno("set the mode of {}", to);
  if ((st.st_uid != 0 || st.st_gid != 0) && ::lchown(to.c_str(), st.st_uid, st.st_gid) != 0)
    throw_errno("set the owner of {}", to);
}

}  // namespace

bool OverlaySnapshotter::has(const oci::Digest& chain) { return path_exists(snapshot(chain)); }

Fd OverlaySnapshotter::open(const oci::Digest& chain) {
  return open_file(snapshot(chain) + "/fs", O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

std::unique_ptr<image::LayerStore::Unpack> OverlaySnapshotter::begin() {
  return std::make_unique<OverlayUnpack>(paths_);
}

void OverlaySnapshotter::remove(const oci::Digest& chain) { image::move_to_trash(paths_, snapshot(chain)); }

std::vector<oci::Digest> OverlaySnapshotter::list() {
  std::vector<oci::Digest> chains;
  for (const std::string& name : list_dir(paths_.snapshots()))
    if (is_full_id(name)) chains.push_back(oci::Digest::from_hex(name));
  return chains;
}

std::uint64_t OverlaySnapshotter::size(const oci::Digest& chain) {
  auto note = read_file(snapshot(chain) + "/note", 256);
  if (!note) return 0;
  auto words = split_once(trim(*note), ' ');
  return words ? parse_u64(words->first).value_or(0) : 0;
}

RootMount OverlaySnapshotter::prepare(const std::string& container_id, const std::vector<std::string>& chain_ids,
                                      bool volatile_) {
  RootMount mount = mount_of(container_id, chain_ids, volatile_);
  std::string base = paths_.container(container_id);
  if (::mkdir(base.c_str(), private_mode) != 0) {
    if (errno != ENOENT) throw_errno("make folder {}", base);
    make_dirs(base.substr(0, base.rfind('/')));
    make_dir(base, private_mode);
  }
  try {
    make_dir(mount.upper, 0755);
    make_dir(mount.work, private_mode);
    if (mount.lowers.empty()) {
      if (::chmod(mount.upper.c_str(), 0755) != 0) throw_errno("set the mode of {}", mount.upper);
    } else {
      copy_root_attributes(mount.lowers.front(), mount.upper);
    }
  } catch (...) {
    remove_tree(base);
    throw;
  }
  return mount;
}

RootMount OverlaySnapshotter::mount_of(const std::string& container_id, const std::vector<std::string>& chain_ids,
                                       bool volatile_) {
  RootMount mount;
  for (auto chain = chain_ids.rbegin(); chain != chain_ids.rend(); ++chain) {
    if (!is_full_id(*chain)) throw error(ErrorCode::data_loss, "container {}: a layer's name is damaged", container_id);
    mount.lowers.push_back(paths_.snapshots() + "/" + *chain + "/fs");
  }
  std::string base = paths_.container(container_id);
  mount.upper = base + "/upper";
  mount.work = base + "/work";
  // One for all: each is mounted in a mount namespace of its own.
  mount.mount_point = paths_.run + "/root";
  make_dirs(mount.mount_point, private_mode);
  mount.volatile_ = volatile_;
  return mount;
}

void OverlaySnapshotter::discard(const std::string& container_id) {
  image::move_to_trash(paths_, paths_.container(container_id));
}

void OverlaySnapshotter::empty_trash() {
  for (const std::string& name : list_dir(paths_.trash())) {
    try {
      remove_tree(paths_.trash() + "/" + name);
    } catch (const Error& e) {
      // One thing that cannot go now (still mounted somewhere) must not keep the others.
      log::debug("empty the trash: {}", e.what());
    }
  }
}

}  // namespace servin::rootfs
