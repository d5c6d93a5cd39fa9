// SPDX-License-Identifier: Apache-2.0
#include "archive/extract.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <unordered_map>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "archive/attributes.h"
#include "archive/failure.h"
#include "archive/folders.h"
#include "archive/layer_name.h"
#include "archive/tar_reader.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/path_open.h"

namespace servin::archive {
namespace {

std::string shown(const TarEntry& entry) { return quoted(printable(std::string_view(entry.path).substr(0, 200))); }

class LayerExtractor {
 public:
  LayerExtractor(ByteSource& tar, const Fd& root, const ExtractOptions& options)
      : source_(tar),
        reader_(tar),
        root_(root),
        options_(options),
        budget_(options.limits.max_entries, options.limits.max_bytes, options.limits.max_folder_memory),
        folders_(root, budget_) {}

  ExtractResult run() {
    while (reader_.next(entry_)) extract_entry();
    // What follows the end is part of the blob and of its digest.
    drain(source_, options_.limits.max_bytes);
    finish_folders();
    return {budget_.entries(), budget_.bytes(), whiteouts_, opaque_root_, folders_.implied()};
  }

 private:
  void extract_entry() {
    budget_.add_entry();
    LayerName name = parse_layer_name(entry_.path);
    switch (name.kind) {
      case LayerNameKind::root:
        return set_root();
      case LayerNameKind::ignored:
        return;
      case LayerNameKind::whiteout:
        return add_whiteout(name);
      case LayerNameKind::opaque:
        return add_opaque(name);
      case LayerNameKind::entry:
        break;
    }
    const Fd& parent = folders_.open(name.parent).fd;
    switch (entry_.type) {
      case TarType::file:
        return add_file(parent, name.name);
      case TarType::directory:
        return add_folder(parent, name.name);
      case TarType::symlink:
        return add_symlink(parent, name.name);
      case TarType::hard_link:
        return add_hard_link(parent, name.name);
      case TarType::char_device:
      case TarType::block_device:
      case TarType::fifo:
        return add_node(parent, name.name);
    }
  }

  // A link in place of the root would send all that follows elsewhere.
  void set_root() {
    if (entry_.type != TarType::directory) {
      throw unsafe_error(fmt::format("tar entry {} makes the root something else than a folder", shown(entry_)));
    }
    Fd fd(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) throw_errno("open the layer's root");
    finish_folder(fd);
    folders_.forget();
  }

  // ---- whiteouts

  void check_whiteouts() {
    if (options_.whiteouts == WhiteoutForm::overlay) return;
    throw unsafe_error(fmt::format("tar entry {} is a whiteout in a root file system", shown(entry_)));
  }

  void add_whiteout(const LayerName& name) {
    check_whiteouts();
    ++whiteouts_;
    const Fd& parent = folders_.open(name.parent).fd;
    if (::mknodat(parent.get(), name.name.c_str(), S_IFCHR, 0) == 0) return;
    if (errno != EEXIST) throw_errno("make whiteout {}", shown(entry_));
    // A whiteout is about lower layers only. A file of this layer hides theirs anyway; a folder would merge with
    // theirs.
    Fd folder(::openat(parent.get(), name.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (folder) make_opaque(folder);
  }

  void add_opaque(const LayerName& name) {
    check_whiteouts();
    ++whiteouts_;
    auto& folder = folders_.open(name.parent);
    if (!folder.is_opaque) make_opaque(folder.fd);
    folder.is_opaque = true;
    if (name.parent.empty()) opaque_root_ = true;
  }

  // ---- entries

  // Runs `make` (0 or -1 with errno); when the name is taken, removes what is there and runs it again.
  template <typename Make>
  void replace(const Fd& parent, const std::string& name, Make make) {
    if (make() == 0) return;
    if (errno != EEXIST) throw_errno("make {}", shown(entry_));
    struct stat st{};
    if (::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) throw_errno("replace {}", shown(entry_));
    bool leads_elsewhere = S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
    remove_tree_at(parent, name);
    if (make() != 0) throw_errno("make {}", shown(entry_));
    // `parent` itself is one of the descriptors that this closes.
    if (leads_elsewhere) forget_later_ = true;
  }

  void add_file(const Fd& parent, const std::string& name) {
    budget_.add_bytes(entry_.size);
    Fd fd;
    replace(parent, name, [&] {
      fd = Fd(::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      return fd ? 0 : -1;
    });
    write_data(fd);
    set_attributes(fd, entry_, options_.owners);
    forget_if_needed();
  }

  void write_data(const Fd& fd) {
    std::uint64_t offset = 0;
    while (true) {
      auto bytes = reader_.read_block(offset);
      if (bytes.empty()) break;
      if (entry_.is_sparse && ::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
        throw_errno("write {}", shown(entry_));
      }
      try {
        write_all(fd, bytes, "the file");
      } catch (Error& e) {
        throw e.context(shown(entry_));
      }
    }
    // The hole at the end, if there is one.
    if (entry_.is_sparse && ::ftruncate(fd.get(), static_cast<off_t>(entry_.size)) != 0) {
      throw_errno("write {}", shown(entry_));
    }
  }

  void add_folder(const Fd& parent, const std::string& name) {
    Fd fd = make_folder(parent, name, 0700);
    if (!fd) {
      if (errno != EEXIST) throw_errno("make folder {}", shown(entry_));
      fd = Fd(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    if (!fd) {
      // Something else has the name. A link is replaced as well, as docker does: what follows belongs into a real
      // folder.
      bool hides_lower = is_whiteout(parent, name);
      replace(parent, name, [&] {
        fd = make_folder(parent, name, 0700);
        return fd ? 0 : -1;
      });
      if (hides_lower) make_opaque(fd);
    }
    finish_folder(fd);
    forget_if_needed();
  }

  void finish_folder(const Fd& fd) {
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) throw_errno("make folder {}", shown(entry_));
    std::uint32_t mode = entry_.mode;
    // Who is not root needs these to make what lies in the folder.
    if (!options_.owners) entry_.mode |= 0700U;
    set_attributes(fd, entry_, options_.owners);
    folders_.has_entry(st.st_ino);
    auto [it, is_new] = folder_ends_.try_emplace(st.st_ino);
    if (is_new) budget_.add_memory(entry_.path.size() + 96);
    it->second = {entry_.path, entry_.mtime, entry_.mtime_ns, mode};
  }

  void add_symlink(const Fd& parent, const std::string& name) {
    if (entry_.link.empty()) throw unsafe_error(fmt::format("tar entry {} is a link to nothing", shown(entry_)));
    replace(parent, name, [&] { return ::symlinkat(entry_.link.c_str(), parent.get(), name.c_str()); });
    set_attributes_at(parent, name, entry_, options_.owners);
    forget_if_needed();
  }

  // Both ends are names in folders that were resolved inside the root. Without AT_SYMLINK_FOLLOW a link's target is the
  // link itself.
  void add_hard_link(const Fd& parent, const std::string& name) {
    LayerName target = parse_layer_name(entry_.link.empty() ? "." : entry_.link);
    if (target.kind == LayerNameKind::root)
      throw unsafe_error(fmt::format("tar entry {} is a hard link to a folder", shown(entry_)));
    std::string target_name = target.name;
    if (target.kind == LayerNameKind::whiteout) target_name = ".wh." + target.name;
    Fd folder = folders_.find(target.parent);
    struct stat to{};
    if (!folder || ::fstatat(folder.get(), target_name.c_str(), &to, AT_SYMLINK_NOFOLLOW) != 0 ||
        (S_ISCHR(to.st_mode) && to.st_rdev == 0)) {
      throw damaged_error(fmt::format("tar entry {} is a hard link to {}, which is not in the archive", shown(entry_),
                                      quoted(printable(entry_.link.substr(0, 200)))));
    }
    if (S_ISDIR(to.st_mode)) throw unsafe_error(fmt::format("tar entry {} is a hard link to a folder", shown(entry_)));
    struct stat here{};
    if (::fstatat(parent.get(), name.c_str(), &here, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == to.st_ino) return;
    replace(parent, name, [&] { return ::linkat(folder.get(), target_name.c_str(), parent.get(), name.c_str(), 0); });
    forget_if_needed();
  }

  void add_node(const Fd& parent, const std::string& name) {
    // What the kernel's device numbers can hold.
    if (entry_.dev_major > 0xfffU || entry_.dev_minor > 0xfffffU) {
      throw unsafe_error(fmt::format("tar entry {} has an impossible device number", shown(entry_)));
    }
    mode_t type = entry_.type == TarType::fifo ? S_IFIFO : entry_.type == TarType::char_device ? S_IFCHR : S_IFBLK;
    dev_t device = entry_.type == TarType::fifo ? 0 : makedev(entry_.dev_major, entry_.dev_minor);
    replace(parent, name, [&] { return ::mknodat(parent.get(), name.c_str(), type | 0600U, device); });
    set_attributes_at(parent, name, entry_, options_.owners);
    forget_if_needed();
  }

  void forget_if_needed() {
    if (forget_later_) folders_.forget();
    forget_later_ = false;
  }

  // At the end, since each entry that is made in a folder changes the folder's time.
  void finish_folders() {
    std::vector<std::pair<std::string, ino_t>> closed;
    for (const auto& [inode, last] : folder_ends_) {
      std::string path = normal_path(last.path);
      if (Fd fd = open_folder(path, inode)) set_time(fd, last.seconds, last.nanoseconds);
      if (!options_.owners && (last.mode & 0700U) != 0700U) closed.emplace_back(path, inode);
    }
    // The deepest first: behind a folder without x nothing can be reached.
    std::sort(closed.begin(), closed.end(),
              [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    for (const auto& [path, inode] : closed) {
      Fd fd = open_folder(path, inode);
      if (fd && ::fchmod(fd.get(), folder_ends_[inode].mode & 01777U) != 0)
        throw_errno("set mode of {}", printable(path));
    }
  }

  // Closed when a later entry replaced the folder.
  Fd open_folder(const std::string& path, ino_t inode) {
    Fd fd = try_open_in_root(root_, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, Links::last);
    struct stat st{};
    if (fd && (::fstat(fd.get(), &st) != 0 || st.st_ino != inode)) fd.reset();
    return fd;
  }

  struct FolderEnd {
    std::string path;
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    std::uint32_t mode = 0;
  };

  ByteSource& source_;
  TarReader reader_;
  const Fd& root_;
  const ExtractOptions& options_;
  Budget budget_;
  Folders folders_;
  TarEntry entry_;
  std::unordered_map<ino_t, FolderEnd> folder_ends_;
  std::uint64_t whiteouts_ = 0;
  bool opaque_root_ = false;
  bool forget_later_ = false;
};

}  // namespace

ExtractResult extract_layer(ByteSource& tar, const Fd& folder, const ExtractOptions& options) {
  return LayerExtractor(tar, folder, options).run();
}

void inherit_folders(const Fd& folder, const std::vector<std::string>& implied_folders,
                     const std::vector<const Fd*>& lower) {
  for (const auto& path : implied_folders) {
    Fd to = open_in_root(folder, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, Links::none);
    for (const Fd* layer : lower) {
      Fd from = try_open_in_root(*layer, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, Links::none);
      if (from) copy_attributes(from, to);
      // A whiteout, a file or a link in that layer hides the layers below it.
      if (from || errno != ENOENT) break;
    }
  }
}

}  // namespace servin::archive
