// SPDX-License-Identifier: Apache-2.0
#include "archive/attributes.h"

#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/strings.h"

namespace servin::archive {
namespace {

// What an archive may set. overlayfs takes its own attributes as commands (redirects into other folders, opaque,
// metacopy); ACLs, integrity and MAC labels belong to the host.
bool is_allowed(std::string_view name, bool owners) {
  if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) return false;
  if (name.starts_with("user.")) return true;
  return owners && (name == "security.capability" || name.starts_with("trusted."));
}

// Not every file system has them, and links and devices take no user.* at all: the file is still right without.
bool is_harmless(int err, std::string_view name) {
  return err == ENOTSUP || (err == EPERM && name.starts_with("user."));
}

std::string shown(const TarEntry& entry) { return quoted(printable(std::string_view(entry.path).substr(0, 200))); }

// ext4 keeps all of a file's attributes in one block, and says "no space" where they do not fit.
bool has_room(const Fd& file) {
  struct statvfs fs{};
  return ::fstatvfs(file.get(), &fs) == 0 && fs.f_bavail > 0;
}

template <typename Set>
void set_xattrs(const Fd& file, const TarEntry& entry, bool owners, Set set) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : entry.xattrs) {
    if (!is_allowed(name, owners)) continue;
    bytes += name.size() + value.size();
    if (set(name.c_str(), value) == 0 || is_harmless(errno, name)) continue;
    int err = errno;
    if ((err == ENOSPC && has_room(file)) || err == E2BIG || err == ERANGE)
      throw error(ErrorCode::unsupported, "{}: {} bytes of extended attributes are more than this file system takes",
                  shown(entry), bytes)
          .with_id("E-ARCHIVE-LIMIT")
          .with_hint("put the state on another file system, xfs or btrfs: servin --root DIR");
    throw errno_error(err, fmt::format("set extended attribute {} of {}", quoted(printable(name)), shown(entry)));
  }
}

unsigned mode_of(const TarEntry& entry, bool owners) { return entry.mode & (owners ? 07777U : 01777U); }

void times_of(std::int64_t seconds, std::uint32_t nanoseconds, timespec (&out)[2]) {
  out[0] = out[1] = {seconds, static_cast<long>(nanoseconds)};
}

}  // namespace

void set_time(const Fd& fd, std::int64_t seconds, std::uint32_t nanoseconds) {
  timespec times[2];
  times_of(seconds, nanoseconds, times);
  if (::futimens(fd.get(), times) != 0) throw_errno("set time");
}

// The order matters: chown takes away setuid bits and capabilities, so it comes first; times last.
void set_attributes(const Fd& fd, const TarEntry& entry, bool owners) {
  if (owners && ::fchown(fd.get(), entry.uid, entry.gid) != 0) throw_errno("set owner of {}", shown(entry));
  set_xattrs(fd, entry, owners, [&](const char* name, const std::string& value) {
    return ::fsetxattr(fd.get(), name, value.data(), value.size(), 0);
  });
  if (::fchmod(fd.get(), mode_of(entry, owners)) != 0) throw_errno("set mode of {}", shown(entry));
  set_time(fd, entry.mtime, entry.mtime_ns);
}

void set_attributes_at(const Fd& parent, const std::string& name, const TarEntry& entry, bool owners) {
  if (owners && ::fchownat(parent.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    throw_errno("set owner of {}", shown(entry));
  }
  bool is_link = entry.type == TarType::symlink;
  if (!is_link || !entry.xattrs.empty()) {
    // A path through procfs reaches exactly this inode, link or not, without opening the device behind it.
    Fd fd(::openat(parent.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw_errno("open {}", shown(entry));
    std::string path = "/proc/self/fd/" + std::to_string(fd.get());
    set_xattrs(parent, entry, owners, [&](const char* key, const std::string& value) {
      return ::setxattr(path.c_str(), key, value.data(), value.size(), 0);
    });
    if (!is_link && ::chmod(path.c_str(), mode_of(entry, owners)) != 0) throw_errno("set mode of {}", shown(entry));
  }
  timespec times[2];
  times_of(entry.mtime, entry.mtime_ns, times);
  if (::utimensat(parent.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw_errno("set time of {}", shown(entry));
  }
}

void copy_attributes(const Fd& from, const Fd& to) {
  struct stat st{};
  if (::fstat(from.get(), &st) != 0) throw_errno("read the folder below");
  if (::fchown(to.get(), st.st_uid, st.st_gid) != 0) throw_errno("set owner");
  char names[8192];
  ssize_t size = ::flistxattr(from.get(), names, sizeof names);
  std::string_view rest(names, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!rest.empty()) {
    std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(name.size() + 1);
    std::string value(65536, '\0');
    ssize_t n = is_allowed(name, true) ? ::fgetxattr(from.get(), name.c_str(), value.data(), value.size()) : -1;
    if (n >= 0 && ::fsetxattr(to.get(), name.c_str(), value.data(), static_cast<std::size_t>(n), 0) != 0 &&
        !is_harmless(errno, name)) {
      throw_errno("set extended attribute {}", name);
    }
  }
  if (::fchmod(to.get(), st.st_mode & 07777U) != 0) throw_errno("set mode");
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (::futimens(to.get(), times) != 0) throw_errno("set time");
}

}  // namespace servin::archive
