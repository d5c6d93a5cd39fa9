// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/merge.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <unistd.h>

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "os/file.h"

namespace servin::runtime {
namespace {

using Key = std::pair<dev_t, ino_t>;

bool is_opaque(const Fd& dir) {
  char value = 0;
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"})
    if (::fgetxattr(dir.get(), name, &value, 1) == 1 && value == 'y') return true;
  return false;
}

class Merge {
 public:
  explicit Merge(std::string target) : target_(std::move(target)) {}

  void layer(const std::string& path) {
    links_.clear();
    folder(path, target_);
  }

 private:
  /// `from` and `to` are folders of ours with names that we read ourselves; nobody else writes there.
  void folder(const std::string& from, const std::string& to) {
    if (is_opaque(open_file(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))) empty(to);
    for (const std::string& name : list_dir(from)) entry(from + "/" + name, to + "/" + name);
  }

  void empty(const std::string& folder) {
    for (const std::string& name : list_dir(folder)) remove_tree(folder + "/" + name);
  }

  void entry(const std::string& from, const std::string& to) {
    struct stat s{};
    if (::lstat(from.c_str(), &s) != 0) throw_errno("look at {}", from);
    struct stat old{};
    bool there = ::lstat(to.c_str(), &old) == 0;
    bool both_folders = there && S_ISDIR(s.st_mode) && S_ISDIR(old.st_mode);
    if (there && !both_folders) remove_tree(to);
    if (S_ISCHR(s.st_mode) && s.st_rdev == makedev(0, 0)) return;  // a whiteout
    if (S_ISDIR(s.st_mode)) {
      if (!both_folders && ::mkdir(to.c_str(), 0700) != 0) throw_errno("make {}", to);
      folder(from, to);
      ::chmod(to.c_str(), s.st_mode & 07777U);
      return;
    }
    if (S_ISLNK(s.st_mode)) return link(from, to);
    if (S_ISREG(s.st_mode)) return file(from, to, s);
    // Devices need root, which has the overlay; a fifo does not.
    if (S_ISFIFO(s.st_mode) && ::mkfifo(to.c_str(), s.st_mode & 07777U) != 0) throw_errno("make {}", to);
  }

  static void link(const std::string& from, const std::string& to) {
    std::string text(4097, '\0');
    ssize_t n = ::readlink(from.c_str(), text.data(), text.size() - 1);
    if (n < 0) throw_errno("read {}", from);
    text.resize(static_cast<std::size_t>(n));
    if (::symlink(text.c_str(), to.c_str()) != 0) throw_errno("make {}", to);
  }

  void file(const std::string& from, const std::string& to, const struct stat& s) {
    if (s.st_nlink > 1) {
      auto [known, fresh] = links_.try_emplace({s.st_dev, s.st_ino}, to);
      if (!fresh && ::link(known->second.c_str(), to.c_str()) == 0) return;
    }
    Fd source = open_file(from, O_RDONLY | O_NOFOLLOW);
    Fd copy = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (::ioctl(copy.get(), FICLONE, source.get()) != 0) copy_bytes(source, copy, to);
    ::fchmod(copy.get(), s.st_mode & 07777U);
    timespec times[2] = {s.st_atim, s.st_mtim};
    ::futimens(copy.get(), times);
  }

  static void copy_bytes(const Fd& source, const Fd& copy, const std::string& name) {
    char buffer[16384];
    while (std::size_t n = read_some(source, buffer, sizeof buffer, name))
      write_all(copy, std::string_view(buffer, n), name);
  }

  std::string target_;
  std::map<Key, std::string> links_;
};

}  // namespace

void merge_layers(const HostPlan& plan) {
  std::string done = plan.upper.substr(0, plan.upper.rfind('/')) + "/layers-copied";
  if (path_exists(done)) return;
  for (const std::string& name : list_dir(plan.upper)) remove_tree(plan.upper + "/" + name);
  Merge merge(plan.upper);
  for (auto lower = plan.lowers.rbegin(); lower != plan.lowers.rend(); ++lower) merge.layer(*lower);
  write_file(done, "");
}

}  // namespace servin::runtime
