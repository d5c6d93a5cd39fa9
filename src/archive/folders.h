// SPDX-License-Identifier: Apache-2.0
// Private to the extractor: descriptors of the folders that entries lie in, and their making.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "os/fd.h"

namespace servin::archive {

/// Counts against ExtractLimits.
class Budget {
 public:
  Budget(std::uint64_t max_entries, std::uint64_t max_bytes, std::uint64_t max_memory)
      : max_entries_(max_entries), max_bytes_(max_bytes), max_memory_(max_memory) {}
  void add_entry();
  void add_bytes(std::uint64_t n);
  void add_memory(std::size_t n);
  std::uint64_t entries() const { return entries_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t bytes_left() const { return max_bytes_ - bytes_; }

 private:
  std::uint64_t max_entries_;
  std::uint64_t max_bytes_;
  std::uint64_t max_memory_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t memory_ = 0;
};

/// Is `name` in `dir` a whiteout, the character device 0:0?
bool is_whiteout(const Fd& dir, const std::string& name);
/// Sets trusted.overlay.opaque on a folder.
void make_opaque(const Fd& dir);
/// mkdirat and a descriptor (O_RDONLY) of the new folder, mode exactly `mode` whatever the umask.
Fd make_folder(const Fd& parent, const std::string& name, unsigned mode);

class Folders {
 public:
  /// Both outlive the object.
  Folders(const Fd& root, Budget& budget) : root_(root), budget_(budget) {}

  struct Folder {
    std::string path;
    Fd fd;  // O_PATH
    bool is_opaque = false;
  };
  /// The folder, made when it is missing; links on the way lead inside the root, also dangling ones. Valid until the
  /// next call.
  Folder& open(const std::string& path);
  /// The same, but a closed descriptor with errno when it is missing.
  Fd find(const std::string& path);
  /// After a folder or a link was replaced: paths may lead elsewhere now.
  void forget() { recent_.clear(); }

  /// `inode` has an entry of its own now.
  void has_entry(ino_t inode) { implied_.erase(inode); }
  /// Parents first.
  std::vector<std::string> implied() const;

 private:
  Fd make(const std::string& path);
  Fd step(const Fd& here, const std::string& done, const std::string& name);

  const Fd& root_;
  Budget& budget_;
  std::list<Folder> recent_;  // latest first
  std::unordered_map<ino_t, std::string> implied_;
};

}  // namespace servin::archive
