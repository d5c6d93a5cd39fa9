// SPDX-License-Identifier: Apache-2.0
// Files of containers in the Engine interface (types.h has the rest): cp, export, diff, fs.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace servin::engine {

/// A file, folder or link of a container; what lstat(2) says.
struct FileInfo {
  std::string name;        // as asked for, or in its folder
  std::string target;      // of a link
  std::uint32_t mode = 0;  // with its type, as st_mode
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;
  std::uint64_t links = 0;
  std::uint64_t device = 0;  // st_rdev of devices
  Time modified;
};
struct PackRequest {
  std::string path;
  std::string name;       // what its top is called in the archive; "." for a folder's content only
  bool follow = false;    // a link at the end of the path
  bool sparse = false;    // holes stay holes (PAX sparse 1.0)
  bool writable = false;  // the same container is going to be written to while this is read
};
struct UnpackRequest {
  std::string folder;        // exists
  bool keep_owners = false;  // as the archive says, else root's
};
struct FindRequest {
  std::string path;
  std::string name;    // pattern of the last component
  std::string type;    // f d l p s b c
  int max_depth = -1;  // -1: no limit
};
struct PathChange {
  enum class Kind { changed, added, removed };
  Kind kind = Kind::changed;
  std::string path;
};

}  // namespace servin::engine
