// SPDX-License-Identifier: Apache-2.0
#include "os/path_open.h"

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/strings.h"

namespace servin {
namespace {

bool openat2_forbidden = false;
constexpr int max_links = 40;  // as the kernel's MAXSYMLINKS

Fd kernel_open(const Fd& root, const std::string& path, int flags, unsigned mode, Links links) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  if (links == Links::none) how.resolve |= RESOLVE_NO_SYMLINKS;
  if (links == Links::last) how.flags |= O_NOFOLLOW;
  // EAGAIN: a rename raced with a ".." on the way; the kernel asks to try again.
  for (int tries = 0; tries < 128; ++tries) {
    auto raw = static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how));
    if (raw >= 0) return Fd(raw);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return Fd();
}

std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> out;
  for (auto& part : split(path, '/'))
    if (!part.empty() && part != ".") out.push_back(std::move(part));
  return out;
}

bool read_link(int fd, std::string& target) {
  char buffer[4096];
  ssize_t n = ::readlinkat(fd, "", buffer, sizeof buffer);
  if (n < 0 || n == static_cast<ssize_t>(sizeof buffer)) return false;
  target.assign(buffer, static_cast<std::size_t>(n));
  return true;
}

// The walk. The folders that were passed are kept as a stack of descriptors, so that ".." goes back to where we came
// from and not to where a renamed folder lies now. procfs magic links are not followed: their target is not what
// readlink says.
class Walk {
 public:
  Walk(const Fd& root, std::string_view path, Links links) : root_(root), todo_(components(path)), links_(links) {
    ends_in_slash_ = !path.empty() && path.back() == '/';
  }

  Fd open(int flags, unsigned mode) {
    while (!todo_.empty()) {
      std::string name = std::move(todo_.front());
      todo_.pop_front();
      if (name == "..") {
        if (!stack_.empty()) stack_.pop_back();
        continue;
      }
      bool last = todo_.empty() && !ends_in_slash_;
      if (last && (flags & O_CREAT) != 0) {
        Fd made = create(name, flags, mode);
        if (made || errno != ELOOP || links_ != Links::follow) return made;
      }
      if (!step(name, last, flags)) return Fd();
    }
    return finish(flags);
  }

 private:
  const Fd& here() const { return stack_.empty() ? root_ : stack_.back(); }

  Fd create(const std::string& name, int flags, unsigned mode) {
    return Fd(::openat(here().get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
  }

  bool step(const std::string& name, bool last, int flags) {
    Fd next(::openat(here().get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return false;
    struct stat st{};
    if (::fstat(next.get(), &st) != 0) return false;
    bool keep_link = last && (links_ == Links::last || (flags & O_NOFOLLOW) != 0);
    if (S_ISLNK(st.st_mode) && !keep_link) {
      std::string target;
      if (links_ == Links::none || ++followed_ > max_links) return errno = ELOOP, false;
      if (!read_link(next.get(), target)) return false;
      if (target.empty()) return errno = ENOENT, false;
      if (target[0] == '/') stack_.clear();
      if (target.back() == '/' && last) ends_in_slash_ = true;
      auto parts = components(target);
      todo_.insert(todo_.begin(), parts.begin(), parts.end());
      return true;
    }
    if (!last && !S_ISDIR(st.st_mode)) return errno = ENOTDIR, false;
    stack_.push_back(std::move(next));
    return true;
  }

  // Opens for real what the last O_PATH descriptor names. Through /proc/self/fd, since a second lookup by name could
  // meet another file.
  Fd finish(int flags) {
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return errno = EEXIST, Fd();
    struct stat st{};
    if (::fstat(here().get(), &st) != 0) return Fd();
    if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(st.st_mode)) return errno = ENOTDIR, Fd();
    if (S_ISLNK(st.st_mode) && (flags & O_PATH) == 0) return errno = ELOOP, Fd();
    if ((flags & O_PATH) != 0) return Fd(::fcntl(here().get(), F_DUPFD_CLOEXEC, 3));
    std::string name = "/proc/self/fd/" + std::to_string(here().get());
    return Fd(::open(name.c_str(), (flags & ~(O_NOFOLLOW | O_CREAT)) | O_CLOEXEC));
  }

  const Fd& root_;
  std::vector<Fd> stack_;
  std::deque<std::string> todo_;
  Links links_;
  bool ends_in_slash_ = false;
  int followed_ = 0;
};

}  // namespace

void detail::forbid_openat2(bool forbid) { openat2_forbidden = forbid; }

Fd try_open_in_root(const Fd& root, std::string_view path, int flags, unsigned mode, Links links) {
  // A NUL would cut the name for the kernel, after checks that saw the whole of it.
  if (path.find('\0') != std::string_view::npos) return errno = EINVAL, Fd();
  if (path.size() >= 4096) return errno = ENAMETOOLONG, Fd();
  std::string p(path);
  if (p.empty()) p = ".";
  if (!openat2_forbidden) {
    Fd fd = kernel_open(root, p, flags, mode, links);
    // EPERM: a seccomp filter that does not know the call; the walk gives the true answer then.
    if (fd || (errno != ENOSYS && errno != EPERM)) return fd;
    if (errno == ENOSYS) openat2_forbidden = true;
  }
  return Walk(root, p, links).open(flags, mode);
}

Fd open_in_root(const Fd& root, std::string_view path, int flags, unsigned mode, Links links) {
  Fd fd = try_open_in_root(root, path, flags, mode, links);
  if (!fd) throw_errno("open {}", path);
  return fd;
}

Fd make_dirs_in_root(const Fd& root, std::string_view path, unsigned mode) {
  Fd here = open_in_root(root, "/", O_PATH | O_DIRECTORY);
  std::string done;
  for (const auto& name : components(path)) {
    // ".." is left to the resolver, which knows the root; made folders are real ones, so this stays below it.
    done += "/" + name;
    Fd next = try_open_in_root(root, done, O_PATH | O_DIRECTORY);
    if (!next) {
      if (errno != ENOENT || name == "..") throw_errno("make folder {}", done);
      if (::mkdirat(here.get(), name.c_str(), mode) != 0 && errno != EEXIST) throw_errno("make folder {}", done);
      next = open_in_root(root, done, O_PATH | O_DIRECTORY);
    }
    here = std::move(next);
  }
  return here;
}

std::string read_file_in_root(const Fd& root, std::string_view path, std::size_t limit) {
  Fd fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw_errno("read {}", path);
  if (!S_ISREG(st.st_mode)) throw error(ErrorCode::invalid_argument, "{} in the image is not a regular file", path);
  return read_all(fd, limit, path);
}

Parent open_parent_in_root(const Fd& root, std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  auto slash = path.rfind('/');
  std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  std::string_view parent = slash == std::string_view::npos ? std::string_view("/") : path.substr(0, slash + 1);
  if (name.empty() || name == "." || name == "..")
    throw error(ErrorCode::invalid_argument, "path \"{}\" has no last component", path);
  return {open_in_root(root, parent, O_PATH | O_DIRECTORY), name};
}

Fd reopen(const Fd& held, int flags, std::string_view what) {
  std::string name = "/proc/self/fd/" + std::to_string(held.get());
  Fd fd(::open(name.c_str(), flags | O_CLOEXEC | O_NOCTTY));
  if (!fd) throw_errno("open {}", what);
  return fd;
}

bool is_mount_root(const Fd& held) {
  struct statx st{};
  // Before Linux 5.8 the kernel does not tell: false.
  return ::statx(held.get(), "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st) == 0 &&
         (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool is_mount_point(const Fd& dir, const std::string& name) {
  struct statx here{};
  constexpr int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::statx(dir.get(), name.c_str(), flags, STATX_BASIC_STATS, &here) != 0) return false;
  if ((here.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (here.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  // Before Linux 5.8: another device is another mount (but not the other way round).
  struct statx above{};
  if (::statx(dir.get(), "", flags | AT_EMPTY_PATH, STATX_BASIC_STATS, &above) != 0) return true;
  return here.stx_dev_major != above.stx_dev_major || here.stx_dev_minor != above.stx_dev_minor;
}

}  // namespace servin
