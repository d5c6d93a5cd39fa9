// SPDX-License-Identifier: Apache-2.0
// RUN/networks as the resolver of one network sees it: its own names, and those of other networks for containers that
// are in several. Nothing is watched: a stat(2) at each question tells whether a file is another one than before, so
// that an answer never lags behind a rename that was made before the question.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "network/dns/zone.h"
#include "os/fd.h"

namespace servin::dns {

/// What tells one content of a file from another.
struct FileStamp {
  std::uint64_t device = 0, inode = 0;
  std::int64_t modified = 0, changed = 0, size = -1;  // -1: there is no such file
  bool operator==(const FileStamp&) const = default;
  static FileStamp from(const struct stat& s);
};

class ZoneFolder {
 public:
  /// `dir` is RUN/networks/ID. Opened once: the resolver cannot reach it by path after it has dropped its rights.
  explicit ZoneFolder(const std::string& dir);

  const Zone& own();
  /// Other networks in which the container has an address too.
  std::vector<const Zone*> others_of(const std::string& container_id);
  const Fd& dir() const { return dir_; }

 private:
  struct Entry {
    FileStamp stamp;
    Zone zone;
  };
  static void refresh(Entry& entry, const Fd& dir, const std::string& path);
  void list_others();
  Fd dir_;
  Fd parent_;
  std::string name_;
  Entry own_;
  FileStamp parent_stamp_;
  std::map<std::string, Entry> others_;
};

}  // namespace servin::dns
