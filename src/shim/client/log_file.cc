// SPDX-License-Identifier: Apache-2.0
#include "shim/client/log_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "os/file.h"

namespace servin::shim {
namespace {

constexpr std::size_t block = 64U << 10U;

std::size_t read_at(const Fd& fd, char* to, std::size_t size, std::uint64_t offset) {
  for (;;) {
    ssize_t n = ::pread(fd.get(), to, size, static_cast<off_t>(offset));
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_errno("read a log");
  }
}

}  // namespace

std::optional<LogFile> LogFile::open(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::nullopt;
  struct stat s{};
  if (!fd || ::fstat(fd.get(), &s) != 0) throw_errno("open {}", path);
  return LogFile(std::move(fd), {s.st_dev, s.st_ino});
}

std::uint64_t LogFile::size() const {
  struct stat s{};
  if (::fstat(fd_.get(), &s) != 0) throw_errno("look at a log");
  return static_cast<std::uint64_t>(s.st_size);
}

void LogFile::seek(std::uint64_t offset) {
  offset_ = offset;
  buffer_.clear();
  at_ = searched_ = 0;
}

void LogFile::notice_truncation() {
  if (size() < offset_) seek(0);
}

std::optional<std::string_view> LogFile::next_line() {
  for (;;) {
    auto end = buffer_.find('\n', searched_);
    if (end != std::string::npos) {
      std::string_view line(buffer_.data() + at_, end - at_);
      at_ = searched_ = end + 1;
      return line;
    }
    buffer_.erase(0, at_);
    at_ = 0;
    searched_ = buffer_.size();
    buffer_.resize(searched_ + block);
    std::size_t n = read_at(fd_, buffer_.data() + searched_, block, offset_);
    buffer_.resize(searched_ + n);
    offset_ += n;
    if (n == 0) return std::nullopt;
  }
}

BackwardLines::BackwardLines(Fd fd) : fd_(std::move(fd)) {
  struct stat s{};
  if (::fstat(fd_.get(), &s) != 0) throw_errno("look at a log");
  start_ = static_cast<std::uint64_t>(s.st_size);
  while (load_more()) {
    auto last = buffer_.rfind('\n');
    limit_ = last == std::string::npos ? 0 : last + 1;
    if (limit_ > 0) return;
  }
}

bool BackwardLines::load_more() {
  auto size = static_cast<std::size_t>(std::min<std::uint64_t>(block, start_));
  if (size == 0) return false;
  std::string more(size, '\0');
  std::size_t n = read_at(fd_, more.data(), size, start_ - size);
  if (n < size) return false;  // truncated meanwhile
  start_ -= size;
  buffer_.resize(limit_ > 0 ? limit_ : buffer_.size());
  buffer_.insert(0, more);
  limit_ += limit_ > 0 ? size : 0;
  return true;
}

std::optional<std::string_view> BackwardLines::next() {
  if (limit_ == 0) return std::nullopt;
  for (;;) {
    auto before = limit_ >= 2 ? buffer_.rfind('\n', limit_ - 2) : std::string::npos;
    if (before == std::string::npos && load_more()) continue;
    std::size_t first = before == std::string::npos ? 0 : before + 1;
    end_ = start_ + limit_;
    std::string_view line(buffer_.data() + first, limit_ - 1 - first);
    limit_ = first;
    return line;
  }
}

std::vector<std::string> log_files(const std::string& path) {
  std::vector<std::string> files;
  if (path_exists(path)) files.push_back(path);
  for (int i = 1; path_exists(fmt::format("{}.{}", path, i)); ++i) files.push_back(fmt::format("{}.{}", path, i));
  return files;
}

namespace {

bool have_these_names(const std::vector<LogFile>& files, const std::string& path) {
  auto names = log_files(path);
  if (names.size() != files.size()) return false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto again = LogFile::open(names[i]);
    if (!again || again->id() != files[i].id()) return false;
  }
  // A gap in the numbers: a rotation is between two renames.
  return !path_exists(fmt::format("{}.{}", path, std::max<std::size_t>(names.size(), 1) + 1));
}

}  // namespace

std::vector<LogFile> open_log_files(const std::string& path) {
  constexpr int most_attempts = 1000;  // a rotation is a handful of renames
  for (int attempt = 0;; ++attempt) {
    std::vector<LogFile> files;
    for (const auto& name : log_files(path))
      if (auto file = LogFile::open(name)) files.push_back(std::move(*file));
    if (attempt == most_attempts || have_these_names(files, path)) return files;
  }
}

}  // namespace servin::shim
