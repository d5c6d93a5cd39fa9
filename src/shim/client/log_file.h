// SPDX-License-Identifier: Apache-2.0
// The files of one log (PATH is the newest, PATH.1 the one before ...) line by line, in both directions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "os/fd.h"

namespace servin::shim {

/// Which file it is, whatever its name becomes.
struct FileId {
  dev_t device = 0;
  ino_t number = 0;
  bool operator==(const FileId&) const = default;
};

class LogFile {
 public:
  /// Nothing when there is no such file.
  static std::optional<LogFile> open(const std::string& path);

  FileId id() const { return id_; }
  Fd descriptor() const { return fd_.dup(); }
  std::uint64_t size() const;
  void seek(std::uint64_t offset);
  /// The next whole line, without its end; nothing when there is none (yet). What follows the last new line waits.
  std::optional<std::string_view> next_line();
  /// Starts again at the beginning when the file was emptied behind our back (rotation without further files).
  void notice_truncation();

 private:
  LogFile(Fd fd, FileId id) : fd_(std::move(fd)), id_(id) {}

  Fd fd_;
  FileId id_;
  std::uint64_t offset_ = 0;  // of the end of buffer_
  std::string buffer_;
  std::size_t at_ = 0;        // the first byte of buffer_ not given out
  std::size_t searched_ = 0;  // no new line between at_ and here
};

/// A log file's lines from the last to the first. An unfinished last line is left out.
class BackwardLines {
 public:
  explicit BackwardLines(Fd fd);
  /// Without its end; nothing at the beginning of the file.
  std::optional<std::string_view> next();
  /// Offset of the first byte behind the line that next() gave last.
  std::uint64_t end_offset() const { return end_; }

 private:
  bool load_more();

  Fd fd_;
  std::uint64_t start_ = 0;  // offset of buffer_
  std::uint64_t end_ = 0;
  std::string buffer_;
  std::size_t limit_ = 0;  // bytes of buffer_ not given out: they end with a new line
};

/// Existing files, newest first: PATH, PATH.1, ...
std::vector<std::string> log_files(const std::string& path);
/// The same, opened, as they are at one moment: a rotation in between changes which file has which name.
std::vector<LogFile> open_log_files(const std::string& path);

}  // namespace servin::shim
