// SPDX-License-Identifier: Apache-2.0
// Whole files, folders and locks of the engine's own state (trusted paths). Paths inside a container's root file system
// go through os/path_open.h instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

namespace servin {

/// At most `limit` bytes; nothing when the file does not exist. Other failures throw.
std::optional<std::string> read_file(const std::string& path, std::size_t limit = 1U << 20U);

enum class Sync { no, yes };
/// Temp file beside it, optional fsync of file and folder, rename: readers see the old content or the new.
void write_file(const std::string& path, std::string_view content, unsigned mode = 0600, Sync sync = Sync::no);
/// fsync of a file or a folder by path.
void sync_path(const std::string& path);

bool path_exists(const std::string& path);
/// mkdir -p; modes of existing folders stay as they are.
void make_dirs(const std::string& path, unsigned mode = 0700);
/// Names in a folder, sorted, without . and ..; empty when the folder does not exist.
std::vector<std::string> list_dir(const std::string& path);
/// Everything below and the path itself, never through a symlink, never across a mount; no error when it is not there.
void remove_tree(const std::string& path);
/// The same for one name in an open folder.
void remove_tree_at(const Fd& parent, const std::string& name);
void rename_path(const std::string& from, const std::string& to);
/// Apparent bytes of the regular files below; hard links counted once.
std::uint64_t tree_size(const std::string& path);

/// How long a command waits for one other that holds a lock: with what it does itself it answers within 10 s.
constexpr std::int64_t lock_patience = 9'000'000'000;  // ns
/// How long it stands in a queue that moves.
constexpr std::int64_t longest_queue = 80'000'000'000;  // ns

/// flock(2) on a file that is made when missing; released when the object dies. The holder writes its pid into it.
class FileLock {
 public:
  /// Waits at most `timeout_ns` for one holder (0: tries once), then throws timeout and names its pid. While one holder
  /// follows the other the time begins anew, for longest_queue at most: of 200 commands at once none gives up because
  /// it is the last. For a holder that a signal has stopped nobody waits longer than lock_patience. `what` names the
  /// object.
  static FileLock acquire(const std::string& path, std::string_view what, std::int64_t timeout_ns);
  static std::optional<FileLock> try_acquire(const std::string& path);
  /// For a child that goes on holding it: the lock ends with the last copy, or with LOCK_UN on any of them.
  const Fd& descriptor() const { return fd_; }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace servin
