// SPDX-License-Identifier: Apache-2.0
#include "files/changes.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::files {
namespace {

std::optional<struct stat> look_below(const Fd& lower, const std::string& path) {
  Fd fd = try_open_in_root(lower, path, O_PATH | O_NOFOLLOW, 0, Links::last);
  struct stat st{};
  if (!fd || ::fstat(fd.get(), &st) != 0) return std::nullopt;
  return st;
}

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

class Comparer {
 public:
  Comparer(const Fd& upper, const Fd& lower, const IsMountPoint& is_mount_point)
      : upper_(upper), lower_(lower), is_mount_point_(is_mount_point) {}

  std::vector<Change> run() {
    Walker walker(upper_.dup(), "");
    while (auto v = walker.next()) {
      if (v->depth > 0 && !add(*v)) walker.skip_below();
    }
    std::vector<Change> found;
    for (auto& change : all_) {
      bool mere_parent = untouched_.count(change.path) > 0 && parents_.count(change.path) == 0;
      if (!mere_parent) found.push_back(std::move(change));
    }
    std::sort(found.begin(), found.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
    return found;
  }

 private:
  // False: nothing below it is looked at.
  bool add(const Walker::Visit& v) {
    auto below = look_below(lower_, v.path);
    if (is_whiteout(v.st)) {
      if (below) put(Change::Kind::removed, v.path);
      return true;
    }
    if (is_mere_mount_point(v, v.path, lower_, is_mount_point_)) return false;
    if (!below) return put(Change::Kind::added, v.path), true;
    if (!S_ISDIR(v.st.st_mode) || !S_ISDIR(below->st_mode)) return put(Change::Kind::changed, v.path), true;
    bool opaque = is_opaque(v.fd);
    bool same = !opaque && v.st.st_mode == below->st_mode && v.st.st_uid == below->st_uid &&
                v.st.st_gid == below->st_gid && (same_time(v.st.st_mtim, below->st_mtim) || holds_mount_points(v));
    if (same) {
      untouched_.insert(v.path);
      all_.push_back({Change::Kind::changed, v.path});
    } else {
      put(Change::Kind::changed, v.path);
    }
    if (opaque) add_hidden(v);
    return true;
  }

  // Its time changed when a launch made something in it to mount on; who looks cannot tell that from other changes.
  bool holds_mount_points(const Walker::Visit& v) const {
    Fd folder = reopen(v.fd, O_RDONLY | O_DIRECTORY, v.path);
    for (const auto& name : names_in(folder, v.path)) {
      std::string path = v.path + "/" + name;
      if (is_mount_point_(path) && !look_below(lower_, path)) return true;
    }
    return false;
  }

  // What lies under an opaque folder and is not there any more.
  void add_hidden(const Walker::Visit& v) {
    Fd old = open_in_root(lower_, v.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, Links::last);
    for (const auto& name : names_in(old, v.path)) {
      struct stat st{};
      if (::fstatat(v.fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        put(Change::Kind::removed, v.path + "/" + name);
    }
  }

  void put(Change::Kind kind, const std::string& path) {
    all_.push_back({kind, path});
    for (auto slash = path.rfind('/'); slash != 0 && slash != std::string::npos; slash = path.rfind('/', slash - 1))
      parents_.insert(path.substr(0, slash));
  }

  const Fd& upper_;
  const Fd& lower_;
  const IsMountPoint& is_mount_point_;
  std::vector<Change> all_;
  std::set<std::string> untouched_;  // folders that are there only because of what may lie in them
  std::set<std::string> parents_;    // of what changed
};

}  // namespace

bool is_mere_mount_point(const Walker::Visit& v, const std::string& path, const Fd& lower, const IsMountPoint& asked) {
  if (!asked(path) || look_below(lower, path)) return false;
  if (S_ISREG(v.st.st_mode)) return v.st.st_size == 0;
  if (!S_ISDIR(v.st.st_mode)) return false;
  Fd folder = reopen(v.fd, O_RDONLY | O_DIRECTORY, path);
  for (const auto& name : names_in(folder, path))
    if (!asked(path + "/" + name)) return false;
  return true;
}

std::vector<Change> changes(const Fd& upper, const Fd& lower, const IsMountPoint& is_mount_point) {
  return Comparer(upper, lower, is_mount_point).run();
}

}  // namespace servin::files
