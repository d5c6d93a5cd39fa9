// SPDX-License-Identifier: Apache-2.0
#include "files/walk.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/mounts.h"
#include "os/path_open.h"

namespace servin::files {

Walker::Walker(Fd top, std::string name) { top_ = visit(std::move(top), std::move(name), 0); }

Walker::Visit Walker::visit(Fd fd, std::string path, int depth) {
  Visit v;
  if (::fstat(fd.get(), &v.st) != 0) throw_errno("look at {}", quoted(printable(path)));
  v.fd = std::move(fd);
  v.path = std::move(path);
  v.depth = depth;
  return v;
}

std::optional<Walker::Visit> Walker::next() {
  std::optional<Visit> found;
  if (top_) {
    found = std::exchange(top_, std::nullopt);
  } else {
    if (entered_) enter();
    while (!found && !levels_.empty()) {
      Level& level = levels_.back();
      if (level.names.empty()) {
        leave();
        continue;
      }
      std::string name = std::move(level.names.back());
      level.names.pop_back();
      Fd fd(::openat(here_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
      if (!fd && errno == ENOENT) continue;
      if (!fd) throw_errno("look at {}", quoted(printable(level.path + "/" + name)));
      found = visit(std::move(fd), level.path + "/" + name, static_cast<int>(levels_.size()));
    }
  }
  if (found && S_ISDIR(found->st.st_mode)) {
    entered_ = found->fd.dup();
    entered_path_ = found->path;
  }
  return found;
}

void Walker::enter() {
  Fd held = std::move(entered_);
  Fd folder = reopen(held, O_RDONLY | O_DIRECTORY, quoted(printable(entered_path_)));
  struct stat st{};
  if (::fstat(folder.get(), &st) != 0) throw_errno("look at {}", quoted(printable(entered_path_)));
  Level level{st.st_dev, st.st_ino, entered_path_, names_in(folder, entered_path_)};
  std::reverse(level.names.begin(), level.names.end());
  levels_.push_back(std::move(level));
  here_ = std::move(folder);
}

// Back by "..", since a descriptor for each level of a deep tree would be too many; the folder that it leads to has to
// be the one that we came from.
void Walker::leave() {
  std::string path = std::move(levels_.back().path);
  levels_.pop_back();
  if (levels_.empty()) return here_.reset();
  Fd up(::openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st{};
  if (!up || ::fstat(up.get(), &st) != 0) throw_errno("leave {}", quoted(printable(path)));
  if (st.st_ino != levels_.back().inode || st.st_dev != levels_.back().device)
    throw error(ErrorCode::conflict, "{} was moved meanwhile", quoted(printable(path)))
        .with_hint("try again, or pause the container first");
  here_ = std::move(up);
}

bool is_made_by_kernel(const Fd& held) {
  switch (kernel::filesystem_magic(held)) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case 0x19800202:  // mqueue
      return true;
    default:
      return false;
  }
}

std::string link_target(const Fd& link, std::string_view name) {
  char buffer[4096];
  ssize_t n = ::readlinkat(link.get(), "", buffer, sizeof buffer);
  if (n < 0) throw_errno("read the link {}", quoted(printable(name)));
  return {buffer, static_cast<std::size_t>(n)};
}

bool is_whiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

bool is_opaque(const Fd& folder) {
  char value = 0;
  std::string path = "/proc/self/fd/" + std::to_string(folder.get());
  return ::getxattr(path.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

std::string shown(const std::string& path) { return quoted(printable(path)); }

Error wrong_kind(const std::string& path, std::string_view why, ErrorCode code) {
  return error(code, "{} {}", shown(path), why).with_id("E-PATH-KIND").with_hint("look at what it is: servin fs stat");
}

std::vector<std::string> names_in(const Fd& folder, std::string_view name) {
  Fd copy = open_at(folder, ".", O_RDONLY | O_DIRECTORY);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), ::closedir);
  if (!stream) throw_errno("read {}", quoted(printable(name)));
  copy.release();
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string_view found = entry->d_name;
    if (found != "." && found != "..") out.emplace_back(found);
    errno = 0;
  }
  if (errno != 0) throw_errno("read {}", quoted(printable(name)));
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace servin::files
