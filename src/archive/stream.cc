// SPDX-License-Identifier: Apache-2.0
#include "archive/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <vector>

#include <sys/eventfd.h>
#include <sys/stat.h>

#include "archive/failure.h"
#include "base/error.h"

namespace servin::archive {
namespace {
constexpr std::size_t piece = 256U << 10U;
}

Error unsafe_error(std::string text) {
  return Error(ErrorCode::invalid_argument, std::move(text))
      .with_id("E-ARCHIVE-UNSAFE")
      .with_hint("get the archive from a source that you trust; nothing of this one was kept");
}
Error limit_error(std::string text) {
  return Error(ErrorCode::resource_exhausted, std::move(text))
      .with_id("E-ARCHIVE-LIMIT")
      .with_hint("if you trust it, raise the limit: --max-size, --max-entries");
}
Error damaged_error(std::string text) {
  return Error(ErrorCode::data_loss, std::move(text))
      .with_id("E-ARCHIVE-DAMAGED")
      .with_hint("get or make the archive again");
}

std::uint64_t ByteSource::skip(std::uint64_t n) {
  std::vector<char> scratch(std::min<std::uint64_t>(n, piece));
  std::uint64_t done = 0;
  while (done < n) {
    std::size_t got = read(scratch.data(), std::min<std::uint64_t>(n - done, scratch.size()));
    if (got == 0) break;
    done += got;
  }
  return done;
}

FdSource::FdSource(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {
  struct stat st{};
  if (::fstat(fd_.get(), &st) != 0) throw_errno("read {}", name_);
  if (S_ISDIR(st.st_mode)) throw errno_error(EISDIR, "read " + name_);
  seekable_ = S_ISREG(st.st_mode);
  if (seekable_) {
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  } else {
    wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) throw_errno("read {}", name_);
  }
}

std::size_t FdSource::read(void* buffer, std::size_t n) {
  while (wake_) {
    pollfd fds[2] = {{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) {
      if (errno == EINTR) continue;
      throw_errno("read {}", name_);
    }
    if (fds[1].revents != 0) throw error(ErrorCode::cancelled, "read {}: cancelled", name_);
    break;
  }
  return read_some(fd_, buffer, n, name_);
}

std::uint64_t FdSource::skip(std::uint64_t n) {
  if (!seekable_) return ByteSource::skip(n);
  struct stat st{};
  off_t here = ::lseek(fd_.get(), 0, SEEK_CUR);
  if (here < 0 || ::fstat(fd_.get(), &st) != 0) throw_errno("seek in {}", name_);
  // A seek beyond the end succeeds: the size tells whether the bytes are there.
  std::uint64_t there = st.st_size > here ? static_cast<std::uint64_t>(st.st_size - here) : 0;
  std::uint64_t step = std::min(n, there);
  if (::lseek(fd_.get(), static_cast<off_t>(step), SEEK_CUR) < 0) throw_errno("seek in {}", name_);
  return step;
}

void FdSource::cancel() noexcept {
  std::uint64_t one = 1;
  if (wake_) (void)!::write(wake_.get(), &one, sizeof one);
}

RangeSource::RangeSource(const Fd& fd, std::uint64_t offset, std::uint64_t size, std::string name)
    : fd_(fd), offset_(offset), left_(size), name_(std::move(name)) {
  if (size > INT64_MAX || offset > INT64_MAX - size) throw damaged_error(name_ + " claims an impossible size");
}

std::size_t RangeSource::read(void* buffer, std::size_t n) {
  n = std::min<std::uint64_t>(n, left_);
  if (n == 0) return 0;
  ssize_t got;
  do got = ::pread(fd_.get(), buffer, n, static_cast<off_t>(offset_));
  while (got < 0 && errno == EINTR);
  if (got < 0) throw_errno("read {}", name_);
  if (got == 0) throw damaged_error(name_ + " ends early");
  offset_ += static_cast<std::uint64_t>(got);
  left_ -= static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

std::uint64_t RangeSource::skip(std::uint64_t n) {
  struct stat st{};
  if (::fstat(fd_.get(), &st) != 0) throw_errno("read {}", name_);
  n = std::min(n, left_);
  if (S_ISREG(st.st_mode) && offset_ + n > static_cast<std::uint64_t>(st.st_size)) {
    throw damaged_error(name_ + " ends early");
  }
  offset_ += n;
  left_ -= n;
  return n;
}

std::size_t MemorySource::read(void* buffer, std::size_t n) {
  n = std::min(n, rest_.size());
  if (n != 0) std::memcpy(buffer, rest_.data(), n);
  rest_.remove_prefix(n);
  return n;
}

std::uint64_t MemorySource::skip(std::uint64_t n) {
  n = std::min<std::uint64_t>(n, rest_.size());
  rest_.remove_prefix(n);
  return n;
}

LimitedSource::LimitedSource(std::unique_ptr<ByteSource> from, std::uint64_t limit, std::string name)
    : from_(std::move(from)), limit_(limit), left_(limit), name_(std::move(name)) {}

std::size_t LimitedSource::read(void* buffer, std::size_t n) {
  // Asks for one byte more than allowed when the limit is near: only that tells "just full" from "too much".
  std::size_t got = from_->read(buffer, left_ < n ? static_cast<std::size_t>(left_) + 1 : n);
  if (got > left_) throw limit_error(fmt::format("{} is larger than {} bytes", name_, limit_));
  left_ -= got;
  return got;
}

TeeHashSource::TeeHashSource(std::unique_ptr<ByteSource> from, Sha256* hash, std::atomic<std::uint64_t>* bytes)
    : from_(std::move(from)), hash_(hash), bytes_(bytes) {}

std::size_t TeeHashSource::read(void* buffer, std::size_t n) {
  std::size_t got = from_->read(buffer, n);
  if (hash_ != nullptr) hash_->update(buffer, got);
  if (bytes_ != nullptr) bytes_->fetch_add(got, std::memory_order_relaxed);
  return got;
}

FdSink::FdSink(const Fd& fd, std::string name) : fd_(fd), name_(std::move(name)) { pending_.reserve(piece); }

void FdSink::write(std::string_view bytes) {
  if (pending_.size() + bytes.size() > piece) flush();
  if (bytes.size() >= piece) {
    write_all(fd_, bytes, name_);
  } else {
    pending_.append(bytes);
  }
}

void FdSink::flush() {
  write_all(fd_, pending_, name_);
  pending_.clear();
}

std::uint64_t drain(ByteSource& source, std::uint64_t limit) {
  std::vector<char> scratch(piece);
  std::uint64_t total = 0;
  while (std::size_t got = source.read(scratch.data(), scratch.size())) {
    total += got;
    if (total > limit) throw limit_error(fmt::format("more than {} bytes follow the end of the archive", limit));
  }
  return total;
}

std::string read_to_end(ByteSource& source, std::size_t limit, std::string_view name) {
  std::string out;
  std::vector<char> scratch(std::min<std::size_t>(piece, 64U << 10U));
  while (std::size_t got = source.read(scratch.data(), scratch.size())) {
    if (got > limit - out.size()) throw limit_error(fmt::format("{} is larger than {} bytes", name, limit));
    out.append(scratch.data(), got);
  }
  return out;
}

std::size_t read_full(ByteSource& source, void* buffer, std::size_t n) {
  std::size_t done = 0;
  while (done < n) {
    std::size_t got = source.read(static_cast<char*>(buffer) + done, n - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

}  // namespace servin::archive
