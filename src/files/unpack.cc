// SPDX-License-Identifier: Apache-2.0
#include "files/unpack.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "archive/attributes.h"
#include "archive/failure.h"
#include "archive/layer_name.h"
#include "archive/tar_reader.h"
#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "files/walk.h"
#include "os/path_open.h"

namespace servin::files {
namespace {

using archive::TarEntry;
using archive::TarType;

Error in_the_way(const std::string& path, std::string_view why) {
  return wrong_kind(path, why, ErrorCode::conflict).with_hint("choose another place, or remove what is there first");
}

class Unpacker {
 public:
  Unpacker(archive::ByteSource& tar, const Fd& root, const std::string& folder, const UnpackOptions& options)
      : source_(tar), reader_(tar), root_(root), folder_(folder), options_(options) {}

  Unpacked run() {
    while (reader_.next(entry_)) {
      ++result_.entries;
      add_entry();
    }
    archive::drain(source_);
    for (const auto& folder : folders_) finish_folder(folder);
    return result_;
  }

 private:
  struct Folder {
    std::string path;
    ino_t inode = 0;
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
  };

  bool owners() const { return !options_.to_host || options_.keep_owners; }

  void add_entry() {
    if (options_.owner) {
      entry_.uid = options_.owner->uid;
      entry_.gid = options_.owner->gid;
    }
    path_ = archive::normal_path(entry_.path);
    if (path_.empty()) {
      if (entry_.type != TarType::directory) throw in_the_way(folder_, "is a folder");
      return;  // the folder itself is there already, and stays as it is
    }
    auto slash = path_.rfind('/');
    name_ = path_.substr(slash + 1);
    open_parent(slash == std::string::npos ? "" : path_.substr(0, slash));
    switch (entry_.type) {
      case TarType::file:
        return add_file();
      case TarType::directory:
        return add_folder();
      case TarType::symlink:
        if (entry_.link.empty())
          throw archive::unsafe_error(fmt::format("tar entry {} links to nothing", shown(path_)));
        return add_other([&](const char* name) { return ::symlinkat(entry_.link.c_str(), parent_.get(), name); });
      case TarType::hard_link:
        return add_hard_link();
      case TarType::fifo:
        return add_other([&](const char* name) { return ::mknodat(parent_.get(), name, S_IFIFO | 0600U, 0); });
      case TarType::char_device:
      case TarType::block_device:
        return add_device();
    }
  }

  // The same parent for most entries: its descriptor is kept. It lies inside the root, wherever its name leads by now.
  void open_parent(const std::string& path) {
    if (parent_ && parent_path_ == path) return;
    parent_path_ = path;
    std::string whole = folder_ + "/" + path;
    parent_ = try_open_in_root(root_, whole, O_PATH | O_DIRECTORY);
    if (parent_) return;
    if (errno == ENOTDIR) throw in_the_way(whole, "is no folder");
    if (errno != ENOENT) throw_errno("open {}", shown(whole));
    parent_ = make_dirs_in_root(root_, whole, 0755);
  }

  Fd held(const std::string& name) const {
    return Fd(::openat(parent_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  }

  static struct stat stat_of(const Fd& fd, const std::string& path) {
    struct stat st{};
    if (::fstat(fd.get(), &st) != 0) throw_errno("look at {}", shown(path));
    return st;
  }

  // Runs make(name); when the name is taken, makes the thing beside it and renames it over.
  template <typename Make, typename Finish>
  void place(Make make, Finish finish) {
    if (make(name_.c_str()) == 0) return finish(name_);
    if (errno != EEXIST) throw_path_error(errno, "make " + shown(path_));
    Fd old = held(name_);
    if (old && S_ISDIR(stat_of(old, path_).st_mode))
      throw in_the_way(path_, "is a folder, which is not replaced by a file");
    if (is_mount_point(parent_, name_)) throw_path_error(EBUSY, "replace " + shown(path_));
    std::string beside = ".servin-" + hex(random_bytes(8));
    if (make(beside.c_str()) != 0) throw_path_error(errno, "make " + shown(path_));
    try {
      finish(beside);
      if (::renameat(parent_.get(), beside.c_str(), parent_.get(), name_.c_str()) != 0)
        throw_path_error(errno, "replace " + shown(path_));
      // Both names of one file: rename leaves both.
      if (entry_.type == TarType::hard_link) ::unlinkat(parent_.get(), beside.c_str(), 0);
    } catch (...) {
      ::unlinkat(parent_.get(), beside.c_str(), 0);
      throw;
    }
  }

  template <typename Make>
  void add_other(Make make) {
    place(make, [&](const std::string& name) { archive::set_attributes_at(parent_, name, entry_, owners()); });
  }

  void add_device() {
    if (options_.to_host) {
      ++result_.devices_left_out;
      return;
    }
    if (entry_.dev_major > 0xfffU || entry_.dev_minor > 0xfffffU)
      throw archive::unsafe_error(fmt::format("tar entry {} has an impossible device number", shown(path_)));
    mode_t type = entry_.type == TarType::char_device ? S_IFCHR : S_IFBLK;
    dev_t device = makedev(entry_.dev_major, entry_.dev_minor);
    add_other([&](const char* name) { return ::mknodat(parent_.get(), name, type | 0600U, device); });
  }

  void add_file() {
    Fd fd;
    if (is_mount_point(parent_, name_)) {
      Fd there = held(name_);
      if (!there || !S_ISREG(stat_of(there, path_).st_mode)) throw in_the_way(path_, "is no file");
      write_data(reopen(there, O_WRONLY | O_TRUNC | O_NONBLOCK, shown(path_)));
      return;
    }
    auto make = [&](const char* name) {
      fd = Fd(::openat(parent_.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      return fd ? 0 : -1;
    };
    place(make, [&](const std::string& name) {
      try {
        write_data(fd);
        archive::set_attributes(fd, entry_, owners());
      } catch (...) {
        ::unlinkat(parent_.get(), name.c_str(), 0);
        throw;
      }
    });
  }

  void write_data(const Fd& fd) {
    std::uint64_t offset = 0;
    for (auto bytes = reader_.read_block(offset); !bytes.empty(); bytes = reader_.read_block(offset)) {
      if (entry_.is_sparse && ::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
        throw_errno("write {}", shown(path_));
      write_all(fd, bytes, shown(path_));
    }
    if (entry_.is_sparse && ::ftruncate(fd.get(), static_cast<off_t>(entry_.size)) != 0)
      throw_errno("write {}", shown(path_));
  }

  void add_folder() {
    if (::mkdirat(parent_.get(), name_.c_str(), 0700) != 0 && errno != EEXIST)
      throw_path_error(errno, "make folder " + shown(path_));
    Fd there = held(name_);
    if (!there) throw_errno("open {}", shown(path_));
    struct stat st = stat_of(there, path_);
    if (!S_ISDIR(st.st_mode)) throw in_the_way(path_, "is no folder, and is not replaced by one");
    Fd fd = reopen(there, O_RDONLY | O_DIRECTORY, shown(path_));
    archive::set_attributes(fd, entry_, owners());
    folders_.push_back({path_, st.st_ino, entry_.mtime, entry_.mtime_ns});
  }

  // Without AT_SYMLINK_FOLLOW a link that somebody put at the target's place is linked itself.
  void add_hard_link() {
    std::string target = archive::normal_path(entry_.link);
    if (target.empty())
      throw archive::unsafe_error(fmt::format("tar entry {} is a hard link to a folder", shown(path_)));
    auto slash = target.rfind('/');
    std::string above = slash == std::string::npos ? "" : target.substr(0, slash);
    Fd from = try_open_in_root(root_, folder_ + "/" + above, O_PATH | O_DIRECTORY);
    std::string name = target.substr(slash + 1);
    if (!from) throw archive::damaged_error(fmt::format("tar entry {} is a hard link to nothing", shown(path_)));
    place([&](const char* to) { return ::linkat(from.get(), name.c_str(), parent_.get(), to, 0); },
          [](const std::string&) {});
  }

  // At the end, since each entry that is made in a folder changes its time. Not when it is another folder by now.
  void finish_folder(const Folder& folder) {
    Fd fd = try_open_in_root(root_, folder_ + "/" + folder.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, Links::last);
    struct stat st{};
    if (fd && ::fstat(fd.get(), &st) == 0 && st.st_ino == folder.inode)
      archive::set_time(fd, folder.seconds, folder.nanoseconds);
  }

  archive::ByteSource& source_;
  archive::TarReader reader_;
  const Fd& root_;
  std::string folder_;
  const UnpackOptions& options_;
  TarEntry entry_;
  std::string path_, name_;  // of the entry: below folder_, last component
  std::string parent_path_;
  Fd parent_;
  std::vector<Folder> folders_;
  Unpacked result_;
};

}  // namespace

Unpacked unpack(archive::ByteSource& tar, const Fd& root, const std::string& folder, const UnpackOptions& options) {
  return Unpacker(tar, root, folder, options).run();
}

void throw_path_error(int err, const std::string& what) {
  Error e = errno_error(err, what);
  if (err == EROFS)
    e.with_id("E-PATH-READ-ONLY").with_hint("it lies on a volume or root that the container has read-only");
  if (err == EBUSY)
    e.with_id("E-PATH-MOUNTED").with_hint("something is mounted there: work on what is mounted instead");
  throw e;
}

}  // namespace servin::files
