// SPDX-License-Identifier: Apache-2.0
#include "os/journal.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>

#include "os/fd.h"

namespace servin {
namespace {

// The file itself is the lock: who gets it and still finds it under its name moves it.
void rotate(const std::string& path, const Fd& file) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return;
  struct stat ours{};
  struct stat named{};
  if (::fstat(file.get(), &ours) != 0 || ::stat(path.c_str(), &named) != 0) return;
  if (ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) ::rename(path.c_str(), (path + ".1").c_str());
}

}  // namespace

void append_lines(const std::string& path, std::string_view lines, std::uint64_t limit) noexcept {
  if (lines.empty()) return;
  Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return;
  ssize_t n = 0;
  do n = ::write(file.get(), lines.data(), lines.size());
  while (n < 0 && errno == EINTR);
  // O_APPEND leaves the position at the end of what was written.
  off_t end = ::lseek(file.get(), 0, SEEK_CUR);
  if (end < 0 || static_cast<std::uint64_t>(end) <= limit) return;
  try {
    rotate(path, file);
  } catch (...) {  // no memory for a name: the next writer moves it
  }
}

}  // namespace servin
