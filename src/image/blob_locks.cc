// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/time.h"
#include "image/downloads.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::int64_t patience = 120'000'000'000;  // ns without a new byte
constexpr timespec nap{0, 20'000'000};

/// A byte of the lock file for each digest: its first 60 bits.
off_t place_of(const std::string& hex) { return static_cast<off_t>(std::stoull(hex.substr(0, 15), nullptr, 16)); }

bool lock_byte(const Fd& file, const std::string& hex) {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = place_of(hex);
  range.l_len = 1;
  if (::fcntl(file.get(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES || errno == EINTR) return false;
  throw_errno("lock blob {}", hex);
}

Fd open_locks(const Paths& paths) {
  make_dirs(paths.run);
  return open_file(paths.run + "/downloads.lock", O_RDWR | O_CREAT, 0600);
}

std::int64_t size_of(const std::string& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 ? st.st_size : -1;
}

/// All bytes of the downloads: as long as it changes somebody is at work.
std::int64_t total(const Paths& paths) {
  std::int64_t bytes = 0;
  for (const std::string& name : list_dir(paths.downloads())) bytes += size_of(paths.downloads() + "/" + name);
  return bytes;
}

}  // namespace

BlobLocks::BlobLocks(const Paths& paths, std::vector<std::string> hex, const std::function<void()>& while_waiting)
    : file_(open_locks(paths)) {
  std::ranges::sort(hex);
  for (const std::string& name : hex) {
    std::int64_t seen = -1, since = monotonic_ns();
    while (!lock_byte(file_, name)) {
      while_waiting();
      ::nanosleep(&nap, nullptr);
      if (std::int64_t bytes = total(paths); bytes != seen) {
        seen = bytes;
        since = monotonic_ns();
      }
      if (monotonic_ns() - since > patience)
        throw error(ErrorCode::timeout, "blob sha256:{} is being fetched by another servin, which does not get on",
                    name)
            .with_id("E-LOCKED")
            .with_hint("look for it (ps -C servin), end it, and try again: what it has fetched is kept");
    }
  }
}

std::uint64_t drop_downloads(const Paths& paths, std::int64_t seconds, bool dry_run) {
  std::uint64_t bytes = 0;
  std::optional<Fd> locks;
  for (const std::string& name : list_dir(paths.downloads())) {
    std::string path = paths.downloads() + "/" + name;
    struct stat st{};
    if (name.size() != 64 || ::lstat(path.c_str(), &st) != 0 || st.st_mtime > ::time(nullptr) - seconds) continue;
    if (!locks) locks = open_locks(paths);
    if (!lock_byte(*locks, name)) continue;
    bytes += static_cast<std::uint64_t>(st.st_size);
    if (!dry_run) ::unlink(path.c_str());
  }
  return bytes;
}

}  // namespace servin::image
