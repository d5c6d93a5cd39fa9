// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/copy_up.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <unistd.h>
#include <vector>

#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::runtime {
namespace {

constexpr int max_depth = 2000;

struct stat stat_at(const Fd& dir, const std::string& name) {
  struct stat st{};
  if (::fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) throw_errno("look at {}", quoted(name));
  return st;
}

std::vector<std::string> names_in(const Fd& dir) {
  Fd copy = open_at(dir, ".", O_RDONLY | O_DIRECTORY);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
  if (!stream) throw_errno("read a folder");
  copy.release();
  std::vector<std::string> out;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  return out;
}

class Copier {
 public:
  void folder(const Fd& from, const Fd& to, int depth) {
    if (depth > max_depth) throw Error(ErrorCode::resource_exhausted, "folders are nested too deeply");
    for (const auto& name : names_in(from)) entry(from, to, name, depth);
  }

  // After the content, which changes the times.
  void attributes(const Fd& from, const Fd& to) {
    struct stat st{};
    if (::fstat(from.get(), &st) != 0) throw_errno("look at a file");
    if (::fchown(to.get(), st.st_uid, st.st_gid) != 0) throw_errno("set the owner");
    xattrs(from, to);
    if (::fchmod(to.get(), st.st_mode & 07777) != 0) throw_errno("set the mode");
    timespec times[2] = {st.st_atim, st.st_mtim};
    if (::futimens(to.get(), times) != 0) throw_errno("set the times");
  }

 private:
  void entry(const Fd& from, const Fd& to, const std::string& name, int depth) {
    struct stat st = stat_at(from, name);
    if (S_ISDIR(st.st_mode)) {
      Fd source = open_at(from, name, O_RDONLY | O_DIRECTORY);
      if (::mkdirat(to.get(), name.c_str(), 0700) != 0) throw_errno("make {}", quoted(name));
      Fd target = open_at(to, name, O_RDONLY | O_DIRECTORY);
      folder(source, target, depth + 1);
      attributes(source, target);
    } else if (linked_before(st, to, name)) {
      return;
    } else if (S_ISREG(st.st_mode)) {
      file(from, to, name);
    } else {
      special(from, to, name, st);
    }
  }

  // A further name of a file that has been copied stays one.
  bool linked_before(const struct stat& st, const Fd& to, const std::string& name) {
    if (st.st_nlink < 2) return false;
    auto [place, fresh] = links_.try_emplace({st.st_dev, st.st_ino});
    if (fresh) {
      place->second = {to.dup(), name};
      return false;
    }
    if (::linkat(place->second.dir.get(), place->second.name.c_str(), to.get(), name.c_str(), 0) != 0)
      throw_errno("link {}", quoted(name));
    return true;
  }

  void file(const Fd& from, const Fd& to, const std::string& name) {
    Fd source = open_at(from, name, O_RDONLY | O_NONBLOCK);
    struct stat st{};
    if (::fstat(source.get(), &st) != 0 || !S_ISREG(st.st_mode)) throw_errno("{} changed meanwhile", quoted(name));
    Fd target = open_at(to, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    for (;;) {
      ssize_t n = ::copy_file_range(source.get(), nullptr, target.get(), nullptr, 1U << 30U, 0);
      if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
        n = ::sendfile(target.get(), source.get(), nullptr, 1U << 30U);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_errno("copy {}", quoted(name));
      if (n == 0) break;
    }
    attributes(source, target);
  }

  void special(const Fd& from, const Fd& to, const std::string& name, const struct stat& st) {
    if (S_ISLNK(st.st_mode)) {
      char link[4096];
      ssize_t n = ::readlinkat(from.get(), name.c_str(), link, sizeof link - 1);
      if (n < 0) throw_errno("read the link {}", quoted(name));
      link[n] = 0;
      if (::symlinkat(link, to.get(), name.c_str()) != 0) throw_errno("make the link {}", quoted(name));
    } else if (::mknodat(to.get(), name.c_str(), st.st_mode & (S_IFMT | 07777), st.st_rdev) != 0) {
      throw_errno("make {}", quoted(name));
    }
    if (::fchownat(to.get(), name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
      throw_errno("set the owner of {}", quoted(name));
    timespec times[2] = {st.st_atim, st.st_mtim};
    ::utimensat(to.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  void xattrs(const Fd& from, const Fd& to) {
    std::string list(64U << 10U, '\0');
    ssize_t n = ::flistxattr(from.get(), list.data(), list.size());
    if (n <= 0) return;
    list.resize(static_cast<std::size_t>(n));
    std::string value(64U << 10U, '\0');
    for (const auto& name : split(list, '\0')) {
      // overlayfs's own marks mean nothing, or the wrong thing, in a volume.
      if (name.empty() || name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) continue;
      ssize_t size = ::fgetxattr(from.get(), name.c_str(), value.data(), value.size());
      if (size < 0) continue;
      if (::fsetxattr(to.get(), name.c_str(), value.data(), static_cast<std::size_t>(size), 0) != 0 &&
          errno != EOPNOTSUPP && errno != EPERM)
        throw_errno("set the attribute {}", quoted(name));
    }
  }

  struct Place {
    Fd dir;
    std::string name;
  };
  std::map<std::pair<dev_t, ino_t>, Place> links_;
};

}  // namespace

void copy_up(const Fd& root, const std::string& target, const std::string& volume_dir) {
  Fd source = try_open_in_root(root, target, O_RDONLY | O_DIRECTORY);
  if (!source) return;
  Fd volume = open_file(volume_dir, O_RDONLY | O_DIRECTORY);
  if (!names_in(volume).empty()) return;
  try {
    Copier copier;
    copier.folder(source, volume, 0);
    copier.attributes(source, volume);
  } catch (Error& e) {
    throw e.context(fmt::format("fill the volume for {} from the image", quoted(target)));
  }
}

}  // namespace servin::runtime
