// SPDX-License-Identifier: Apache-2.0
#include "image/compare.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <set>
#include <unistd.h>
#include <vector>

#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::image {

namespace {

class Comparison {
 public:
  explicit Comparison(const std::vector<std::string>& unjudged) : unjudged_(unjudged.begin(), unjudged.end()) {}

  /// Breadth first with paths instead of recursion: layers may be as deep as a path is long.
  std::string run(const Fd& stored, const Fd& fresh) {
    todo_.emplace_back(".");
    while (!todo_.empty()) {
      std::string path = std::move(todo_.back());
      todo_.pop_back();
      if (std::string difference = folder(stored, fresh, path); !difference.empty()) return difference;
    }
    return "";
  }

 private:
  static Fd open_folder(const Fd& root, const std::string& path) {
    int raw = ::openat(root.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (raw < 0) throw_errno("open folder {}", printable(path));
    return Fd(raw);
  }

  static std::vector<std::string> names(const Fd& folder) {
    int raw = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* dir = raw < 0 ? nullptr : ::fdopendir(raw);
    if (dir == nullptr) throw_errno("list a layer's folder");
    std::vector<std::string> list;
    while (dirent* e = ::readdir(dir)) list.emplace_back(e->d_name);
    ::closedir(dir);
    std::ranges::sort(list);
    return list;
  }

  std::string folder(const Fd& stored, const Fd& fresh, const std::string& path) {
    Fd a = open_folder(stored, path), b = open_folder(fresh, path);
    if (path == "." && !unjudged_.contains(path)) {
      if (std::string difference = attributes(a, b, "."); !difference.empty()) return "its root: " + difference;
    }
    std::vector<std::string> have = names(a), want = names(b);
    if (have != want) return printable(path) + ": names differ";
    for (const std::string& name : have) {
      if (name == "." || name == "..") continue;
      std::string where = path == "." ? name : path + "/" + name;
      std::string difference = entry(a, b, name, where);
      if (!difference.empty()) return printable(where) + ": " + difference;
    }
    return "";
  }

  std::string entry(const Fd& a, const Fd& b, const std::string& name, const std::string& where) {
    struct stat x{}, y{};
    if (::fstatat(a.get(), name.c_str(), &x, AT_SYMLINK_NOFOLLOW) != 0 ||
        ::fstatat(b.get(), name.c_str(), &y, AT_SYMLINK_NOFOLLOW) != 0)
      throw_errno("read {}", printable(where));
    if ((x.st_mode & S_IFMT) != (y.st_mode & S_IFMT)) return "type differs";
    if (unjudged_.contains(where)) {
      todo_.push_back(where);
      return "";
    }
    if (x.st_mode != y.st_mode) return "mode differs";
    if (x.st_uid != y.st_uid || x.st_gid != y.st_gid) return "owner differs";
    if (S_ISCHR(x.st_mode) || S_ISBLK(x.st_mode)) return x.st_rdev == y.st_rdev ? "" : "device number differs";
    if (S_ISLNK(x.st_mode)) return link(a, name) == link(b, name) ? "" : "link target differs";
    if (S_ISDIR(x.st_mode)) {
      todo_.push_back(where);
      return attributes(open_folder(a, name), open_folder(b, name), "");
    }
    if (!S_ISREG(x.st_mode)) return "";
    if (x.st_size != y.st_size) return "size differs";
    if (x.st_nlink != y.st_nlink) return "number of links differs";
    if (x.st_nlink > 1 && !seen_.emplace(std::pair(x.st_dev, x.st_ino), 0).second) return "";
    return file(a, b, name);
  }

  static std::string link(const Fd& folder, const std::string& name) {
    std::string target(4096, '\0');
    ssize_t n = ::readlinkat(folder.get(), name.c_str(), target.data(), target.size());
    if (n < 0) throw_errno("read link {}", printable(name));
    target.resize(static_cast<std::size_t>(n));
    return target;
  }

  std::string file(const Fd& a, const Fd& b, const std::string& name) {
    Fd x = open_at(a, name, O_RDONLY), y = open_at(b, name, O_RDONLY);
    if (std::string difference = attributes(x, y, ""); !difference.empty()) return difference;
    for (;;) {
      std::size_t n = fill(x, one_), m = fill(y, two_);
      if (n != m || std::string_view(one_.data(), n) != std::string_view(two_.data(), m)) return "content differs";
      if (n == 0) return "";
    }
  }

  static std::size_t fill(const Fd& fd, std::string& buffer) {
    std::size_t have = 0;
    while (have < buffer.size()) {
      std::size_t n = read_some(fd, buffer.data() + have, buffer.size() - have, "a layer's file");
      if (n == 0) break;
      have += n;
    }
    return have;
  }

  /// Mode and owner of a root, and the extended attributes of anything that can be opened.
  static std::string attributes(const Fd& a, const Fd& b, std::string_view root) {
    if (!root.empty()) {
      struct stat x{}, y{};
      if (::fstat(a.get(), &x) != 0 || ::fstat(b.get(), &y) != 0) throw_errno("read a layer's root");
      if (x.st_mode != y.st_mode) return "mode differs";
      if (x.st_uid != y.st_uid || x.st_gid != y.st_gid) return "owner differs";
    }
    return xattrs(a) == xattrs(b) ? "" : "extended attributes differ";
  }

  static std::map<std::string, std::string> xattrs(const Fd& fd) {
    std::map<std::string, std::string> result;
    ssize_t length = ::flistxattr(fd.get(), nullptr, 0);
    if (length <= 0) return result;
    std::string list(static_cast<std::size_t>(length), '\0');
    length = ::flistxattr(fd.get(), list.data(), list.size());
    if (length < 0) throw_errno("list extended attributes");
    list.resize(static_cast<std::size_t>(length));
    for (const std::string& name : split(list, '\0')) {
      // security.selinux and the like are the host's, not the layer's.
      if (name.empty() || (name.starts_with("security.") && name != "security.capability")) continue;
      std::string value(64U << 10U, '\0');
      ssize_t n = ::fgetxattr(fd.get(), name.c_str(), value.data(), value.size());
      if (n < 0) throw_errno("read extended attribute {}", printable(name));
      value.resize(static_cast<std::size_t>(n));
      result[name] = value;
    }
    return result;
  }

  std::set<std::string> unjudged_;  // implied by entries below them: always folders
  std::vector<std::string> todo_;
  std::map<std::pair<dev_t, ino_t>, int> seen_;
  std::string one_ = std::string(256U << 10U, '\0'), two_ = std::string(256U << 10U, '\0');
};

}  // namespace

std::string compare_trees(const Fd& stored, const Fd& fresh, const std::vector<std::string>& unjudged) {
  Fd a(::openat(stored.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Fd b(::openat(fresh.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!a || !b) throw_errno("open a layer's root");
  return Comparison(unjudged).run(a, b);
}

std::string hash_file(const std::string& path, const std::function<void(std::size_t)>& progress) {
  Fd file = open_file(path, O_RDONLY | O_NOFOLLOW);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  std::string buffer(256U << 10U, '\0');
  Sha256 hash;
  while (std::size_t n = read_some(file, buffer.data(), buffer.size(), path)) {
    hash.update(std::string_view(buffer).substr(0, n));
    if (progress) progress(n);
  }
  return hash.finish_hex();
}

}  // namespace servin::image
