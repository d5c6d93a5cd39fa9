// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "base/time.h"
#include "os/process.h"

namespace servin {

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
  int raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (raw < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw_errno("open {}", path);
  }
  return read_all(Fd(raw), limit, path);
}

void write_file(const std::string& path, std::string_view content, unsigned mode, Sync sync) {
  std::string temp = path + ".tmp-" + hex(random_bytes(4));
  try {
    Fd fd = open_file(temp, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(fd, content, path);
    if (sync == Sync::yes && ::fsync(fd.get()) != 0) throw_errno("sync {}", path);
    fd.reset();
    rename_path(temp, path);
  } catch (...) {
    ::unlink(temp.c_str());
    throw;
  }
  if (sync == Sync::yes) sync_path(path.substr(0, path.rfind('/') + 1));
}

void sync_path(const std::string& path) {
  Fd fd = open_file(path, O_RDONLY);
  if (::fsync(fd.get()) != 0) throw_errno("sync {}", path);
}

bool path_exists(const std::string& path) {
  struct stat st{};
  return ::lstat(path.c_str(), &st) == 0;
}

void make_dirs(const std::string& path, unsigned mode) {
  if (::mkdir(path.c_str(), mode) == 0) return;
  if (errno == EEXIST) {
    struct stat st{};
    if (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return;
    errno = ENOTDIR;
    throw_errno("make folder {}", path);
  }
  if (errno != ENOENT) throw_errno("make folder {}", path);
  auto slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0) throw_errno("make folder {}", path);
  make_dirs(path.substr(0, slash), mode);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw_errno("make folder {}", path);
}

namespace {
struct DirCloser {
  DIR* dir;
  ~DirCloser() { ::closedir(dir); }
};

// Calls f(name, dirent type) for each entry of an open folder.
template <typename F>
void for_each_entry(Fd dir_fd, const std::string& path, F f) {
  DIR* dir = ::fdopendir(dir_fd.get());
  if (dir == nullptr) throw_errno("list {}", path);
  (void)dir_fd.release();
  DirCloser closer{dir};
  errno = 0;
  while (dirent* e = ::readdir(dir)) {
    std::string_view name = e->d_name;
    if (name != "." && name != "..") f(e->d_name);
    errno = 0;
  }
  if (errno != 0) throw_errno("list {}", path);
}

std::uint64_t size_below(const Fd& dir, const std::string& path, std::set<std::pair<dev_t, ino_t>>& seen) {
  std::uint64_t total = 0;
  for_each_entry(dir.dup(), path, [&](const char* name) {
    struct stat st{};
    if (::fstatat(dir.get(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (S_ISDIR(st.st_mode)) {
      int raw = ::openat(dir.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (raw >= 0) total += size_below(Fd(raw), path, seen);
    } else if (S_ISREG(st.st_mode)) {
      if (st.st_nlink == 1 || seen.insert({st.st_dev, st.st_ino}).second)
        total += static_cast<std::uint64_t>(st.st_size);
    }
  });
  return total;
}
}  // namespace

std::vector<std::string> list_dir(const std::string& path) {
  int raw = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (raw < 0) {
    if (errno == ENOENT) return {};
    throw_errno("list {}", path);
  }
  std::vector<std::string> names;
  for_each_entry(Fd(raw), path, [&](const char* name) { names.emplace_back(name); });
  std::sort(names.begin(), names.end());
  return names;
}

void rename_path(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename {} to {}", from, to);
}

std::uint64_t tree_size(const std::string& path) {
  int raw = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (raw < 0) return 0;
  std::set<std::pair<dev_t, ino_t>> seen;
  return size_below(Fd(raw), path, seen);
}

namespace {
// Opens and locks the file; -1 when somebody else holds it. A lock file may have been deleted between open and lock:
// then it no longer keeps anybody out, and the caller opens again.
Fd try_lock(const std::string& path) {
  for (;;) {
    Fd fd = open_file(path, O_RDWR | O_CREAT, 0600);
    int rc = 0;
    do rc = ::flock(fd.get(), LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
      if (errno == EWOULDBLOCK) return Fd();
      throw_errno("lock {}", path);
    }
    struct stat mine{};
    struct stat there{};
    if (::fstat(fd.get(), &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
        mine.st_dev == there.st_dev) {
      // For the message of those who wait; a full disk must not forbid the lock itself. Of one length for every pid:
      // cutting the file first would wait for the disk, 10 ms on an ext4.
      std::string pid = fmt::format("{:<10}\n", ::getpid());
      [[maybe_unused]] auto n = ::pwrite(fd.get(), pid.data(), pid.size(), 0);
      return fd;
    }
  }
}
}  // namespace

std::optional<FileLock> FileLock::try_acquire(const std::string& path) {
  Fd fd = try_lock(path);
  if (!fd) return std::nullopt;
  return FileLock(std::move(fd));
}

namespace {

struct Holder {
  std::string pid;  // "" when it is not known
  bool stopped = false;
};

Holder holder_of(const std::string& path) {
  Holder holder{std::string(trim(read_file(path, 64).value_or(""))), false};
  auto pid = parse_u64(holder.pid);
  auto process = pid && *pid <= INT32_MAX ? identify(static_cast<pid_t>(*pid)) : std::nullopt;
  holder.stopped = process && is_stopped(*process);
  return holder;
}

Error locked(std::string_view what, const Holder& holder) {
  std::string hint = holder.stopped       ? "let it go on: kill -CONT " + holder.pid
                     : holder.pid.empty() ? "try again"
                                          : "wait for it, or look at it: ps -fp " + holder.pid;
  return error(ErrorCode::timeout, "{} is in use by another servin (pid {}{})", what,
               holder.pid.empty() ? "unknown" : holder.pid, holder.stopped ? ", stopped by a signal" : "")
      .with_id("E-LOCKED")
      .with_hint(hint);
}

}  // namespace

FileLock FileLock::acquire(const std::string& path, std::string_view what, std::int64_t timeout_ns) {
  const std::int64_t look_again = std::min<std::int64_t>(timeout_ns / 8, 500'000'000);
  const std::int64_t begin = monotonic_ns();
  std::int64_t start = begin, next_look = begin + look_again;
  std::string seen;
  for (timespec pause{0, 200'000};;) {
    if (Fd fd = try_lock(path)) return FileLock(std::move(fd));
    std::int64_t present = monotonic_ns();
    if (timeout_ns > 0 && present >= next_look && present - begin < longest_queue) {
      next_look = present + look_again;
      std::string holder = holder_of(path).pid;
      if (!seen.empty() && holder != seen) start = present;  // the queue moves
      seen = std::move(holder);
    }
    std::int64_t waited = present - start;
    if (waited >= timeout_ns || waited >= lock_patience) {
      Holder holder = holder_of(path);
      if (waited >= timeout_ns || holder.stopped) throw locked(what, holder);
    }
    // flock(2) has no timeout, and SIGALRM would need a handler in every program: short naps, growing to 10 ms.
    ::nanosleep(&pause, nullptr);
    pause.tv_nsec = std::min(pause.tv_nsec * 2, 10'000'000L);
  }
}

}  // namespace servin
