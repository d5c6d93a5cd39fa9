// SPDX-License-Identifier: Apache-2.0
#include "shim/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"

namespace servin::shim {
namespace {

constexpr std::size_t page = 4096;
// In .bss and page aligned: costs nothing until used, and can be given back. There is one log per shim.
alignas(page) char batch_buffer[record_bound(max_part) + (64U << 10U)];
alignas(page) char partial_buffers[2][max_part];

std::string_view name(LogWriter::Stream s) { return s == LogWriter::Stream::out ? "stdout" : "stderr"; }

void give_back(void* start, std::size_t size) { ::madvise(start, size & ~(page - 1), MADV_DONTNEED); }

}  // namespace

LogWriter::LogWriter(const LogConfig& config) : config_(config) {
  partial_[0].bytes = partial_buffers[0];
  partial_[1].bytes = partial_buffers[1];
  if (config_.kind == LogConfig::Kind::file) {
    open();
    return;
  }
  datagrams_.open(config_);
  if (datagrams_.bound(max_part) > sizeof batch_buffer)
    throw error(ErrorCode::invalid_argument, "log: what stands before each record has {} bytes, which is too long",
                config_.prefix.size());
}

void LogWriter::open() {
  Fd fresh = open_file(config_.path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0600);
  struct stat s{};
  if (::fstat(fresh.get(), &s) != 0) throw_errno("look at {}", config_.path);
  file_ = std::move(fresh);
  size_ = static_cast<std::uint64_t>(s.st_size);
}

void LogWriter::write(Stream stream, std::string_view bytes, Time time) {
  Partial& p = partial_[static_cast<int>(stream)];
  while (!bytes.empty()) {
    std::string_view window = bytes.substr(0, max_part - p.size);
    auto new_line = window.find('\n');
    bool whole = new_line != std::string_view::npos;
    if (whole) window = window.substr(0, new_line + 1);
    if (!whole && p.size + window.size() < max_part) {
      std::memcpy(p.bytes + p.size, window.data(), window.size());
      p.size += window.size();
      break;
    }
    bytes.remove_prefix(window.size());
    if (p.size == 0 && whole) {
      add_record(stream, window, time);
      continue;
    }
    std::memcpy(p.bytes + p.size, window.data(), window.size());
    std::string_view text(p.bytes, p.size + window.size());
    // A part ends between characters, not inside one.
    std::size_t tail = whole ? 0 : incomplete_tail(text);
    add_record(stream, text.substr(0, text.size() - tail), time);
    std::memmove(p.bytes, p.bytes + text.size() - tail, tail);
    p.size = tail;
  }
  flush();
}

void LogWriter::finish(Time time) {
  for (Stream stream : {Stream::out, Stream::err}) {
    Partial& p = partial_[static_cast<int>(stream)];
    if (p.size > 0) add_record(stream, std::string_view(p.bytes, p.size), time);
    p.size = 0;
  }
  flush();
}

void LogWriter::add_record(Stream stream, std::string_view text, Time time) {
  if (config_.kind != LogConfig::Kind::file) return send_record(stream, text, time);
  if (lost_ > 0 && batch_ == 0) add_loss_note(time);
  if (batch_ + record_bound(text.size()) > sizeof batch_buffer) flush();
  append(encode_json_line(batch_buffer + batch_, text, name(stream), time));
}

/// What the receiver does not take at once is lost: a journal that hangs must not hold up the container.
void LogWriter::send_record(Stream stream, std::string_view text, Time time) {
  auto send = [&](Stream s, std::string_view line) {
    std::size_t size = datagrams_.encode(batch_buffer, s == Stream::err, line, time);
    return datagrams_.send(std::string_view(batch_buffer, size));
  };
  if (lost_ > 0) {
    char note[256];
    auto end =
        fmt::format_to_n(note, sizeof note, "servin: {} log records were lost: {}", lost_, errno_text(lost_errno_));
    if (send(Stream::err, std::string_view(note, std::min(end.size, sizeof note))) == 0) lost_ = 0;
  }
  if (text.ends_with('\n')) text.remove_suffix(1);
  int problem = send(stream, text);
  if (problem == 0) return;
  ++lost_;
  lost_errno_ = problem;
}

/// The record of `size` bytes that stands behind the batch becomes part of it, in the next file if this one is full.
void LogWriter::append(std::size_t size) {
  if (config_.max_size > 0 && size_ + batch_ > 0 && size_ + batch_ + size > config_.max_size) {
    std::size_t at = batch_;
    flush();
    rotate();
    std::memmove(batch_buffer, batch_buffer + at, size);
  }
  batch_ += size;
}

void LogWriter::add_loss_note(Time time) {
  char text[256];
  auto end =
      fmt::format_to_n(text, sizeof text, "servin: {} log records were lost: {}\n", lost_, errno_text(lost_errno_));
  std::uint64_t lost = lost_;
  append(encode_json_line(batch_buffer, std::string_view(text, std::min(end.size, sizeof text)), "stderr", time));
  lost_ = 0;
  flush();
  // The note itself did not fit: the count goes on.
  if (lost_ > 0) lost_ = lost;
}

void LogWriter::flush() {
  std::size_t done = 0;
  while (done < batch_) {
    ssize_t n = ::write(file_.get(), batch_buffer + done, batch_ - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    lost_errno_ = n < 0 ? errno : ENOSPC;
    break;
  }
  if (done < batch_) {
    // Records hold no raw new line: the last one that was written whole ends behind the last '\n'.
    char* last = static_cast<char*>(::memrchr(batch_buffer, '\n', done));
    std::size_t whole = last ? static_cast<std::size_t>(last + 1 - batch_buffer) : 0;
    lost_ += static_cast<std::uint64_t>(std::count(batch_buffer + whole, batch_buffer + batch_, '\n'));
    if (whole < done) [[maybe_unused]]
      int cut = ::ftruncate(file_.get(), static_cast<off_t>(size_ + whole));
    done = whole;
  }
  size_ += done;
  batch_ = 0;
}

void LogWriter::rotate() {
  if (config_.max_files <= 1) {
    if (::ftruncate(file_.get(), 0) == 0) size_ = 0;
    return;
  }
  // The new file is there before anything is renamed: when it cannot be made, the old one just goes on.
  std::string fresh = config_.path + ".new";
  Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return;
  auto numbered = [&](std::uint32_t i) { return i == 0 ? config_.path : fmt::format("{}.{}", config_.path, i); };
  for (std::uint32_t i = config_.max_files - 1; i > 0; --i)
    if (::rename(numbered(i - 1).c_str(), numbered(i).c_str()) != 0 && errno != ENOENT) return;
  if (::rename(fresh.c_str(), config_.path.c_str()) != 0) return;
  file_ = std::move(file);
  size_ = 0;
}

void LogWriter::release_memory() {
  give_back(batch_buffer, sizeof batch_buffer);
  for (Partial& p : partial_)
    if (p.size == 0) give_back(p.bytes, max_part);
}

}  // namespace servin::shim
