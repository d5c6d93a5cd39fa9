// SPDX-License-Identifier: Apache-2.0
#include "archive/folders.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "archive/failure.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::archive {
namespace {

constexpr std::size_t kept_open = 16;
constexpr int max_links = 40;  // as the kernel's MAXSYMLINKS

std::string shown(std::string_view path) { return quoted(printable(path.substr(0, 200))); }

// Last component first.
void push_parts(std::vector<std::string>& todo, std::string_view path) {
  auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!part->empty() && *part != ".") todo.push_back(std::move(*part));
  }
}

std::string read_link(const Fd& link, std::string_view path) {
  char target[4096];
  ssize_t n = ::readlinkat(link.get(), "", target, sizeof target);
  if (n < 0) throw_errno("read link {}", shown(path));
  return {target, static_cast<std::size_t>(n)};
}

}  // namespace

void Budget::add_entry() {
  if (++entries_ > max_entries_) throw limit_error(fmt::format("archive has more than {} entries", max_entries_));
}
void Budget::add_bytes(std::uint64_t n) {
  if (n > max_bytes_ - bytes_) throw limit_error(fmt::format("archive unpacks to more than {} bytes", max_bytes_));
  bytes_ += n;
}
void Budget::add_memory(std::size_t n) {
  memory_ += n;
  if (memory_ > max_memory_) throw limit_error("archive has too many folders with long names");
}

bool is_whiteout(const Fd& dir, const std::string& name) {
  struct stat st{};
  return ::fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

void make_opaque(const Fd& dir) {
  // Extended attributes need a descriptor that is open for reading, `dir` may be O_PATH.
  Fd fd(::openat(dir.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsetxattr(fd.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) throw_errno("make folder opaque");
}

Fd make_folder(const Fd& parent, const std::string& name, unsigned mode) {
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) return Fd();
  Fd fd(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::fchmod(fd.get(), mode) != 0) throw_errno("make folder {}", shown(name));
  return fd;
}

Folders::Folder& Folders::open(const std::string& path) {
  auto known = std::find_if(recent_.begin(), recent_.end(), [&](const Folder& f) { return f.path == path; });
  if (known != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, known);
    return recent_.front();
  }
  Fd fd = try_open_in_root(root_, path, O_PATH | O_DIRECTORY);
  // ENOTDIR: perhaps a whiteout stands in the way.
  if (!fd && errno != ENOENT && errno != ENOTDIR) throw_errno("open folder {} of the archive", shown(path));
  if (!fd) fd = make(path);
  if (recent_.size() >= kept_open) recent_.pop_back();
  recent_.push_front({path, std::move(fd), false});
  return recent_.front();
}

Fd Folders::find(const std::string& path) {
  for (const auto& folder : recent_) {
    if (folder.path == path) return folder.fd.dup();
  }
  return try_open_in_root(root_, path, O_PATH | O_DIRECTORY);
}

// One component after the other, so that what is missing can be made where it belongs. Links are resolved here as the
// kernel would: absolute ones start at the root, ".." stops there. Nobody else works in the folder, so names of real
// folders stay valid.
Fd Folders::make(const std::string& path) {
  std::vector<std::string> todo;
  push_parts(todo, path);
  std::string done;
  Fd here = open_in_root(root_, ".", O_PATH | O_DIRECTORY);
  for (int links = 0; !todo.empty();) {
    std::string name = std::move(todo.back());
    todo.pop_back();
    if (name == "..") {
      done.resize(done.find('/') == std::string::npos ? 0 : done.rfind('/'));
      here = open_in_root(root_, done, O_PATH | O_DIRECTORY, 0, Links::none);
      continue;
    }
    std::string where = done.empty() ? name : done + "/" + name;
    if (where.size() > 4095) throw unsafe_error(fmt::format("folder {} lies too deep", shown(path)));
    Fd next = step(here, where, name);
    struct stat st{};
    if (::fstat(next.get(), &st) != 0) throw_errno("open folder {}", shown(where));
    if (S_ISLNK(st.st_mode)) {
      if (++links > max_links) throw unsafe_error(fmt::format("folder {} leads through too many links", shown(path)));
      std::string target = read_link(next, where);
      if (target.starts_with('/')) {
        done.clear();
        here = open_in_root(root_, ".", O_PATH | O_DIRECTORY);
      }
      push_parts(todo, target);
      continue;
    }
    if (!S_ISDIR(st.st_mode)) throw unsafe_error(fmt::format("{} in the archive is used as a folder", shown(where)));
    done = std::move(where);
    here = std::move(next);
  }
  return here;
}

// Opens one component, makes it when it is missing.
Fd Folders::step(const Fd& here, const std::string& where, const std::string& name) {
  bool hides_lower = is_whiteout(here, name);
  if (hides_lower && ::unlinkat(here.get(), name.c_str(), 0) != 0) throw_errno("replace {}", shown(where));
  Fd next(::openat(here.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (next) return next;
  if (errno != ENOENT) throw_errno("open folder {}", shown(where));
  budget_.add_entry();
  Fd made = make_folder(here, name, 0755);
  struct stat st{};
  if (!made || ::fstat(made.get(), &st) != 0) throw_errno("make folder {}", shown(where));
  if (hides_lower) make_opaque(made);
  budget_.add_memory(where.size() + 64);
  implied_[st.st_ino] = where;
  return made;
}

std::vector<std::string> Folders::implied() const {
  std::vector<std::string> out;
  for (const auto& [inode, path] : implied_) {
    // The folder may have been replaced later; then this is not about it.
    struct stat st{};
    Fd fd = try_open_in_root(root_, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, Links::none);
    if (fd && ::fstat(fd.get(), &st) == 0 && st.st_ino == inode) out.push_back(path);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace servin::archive
