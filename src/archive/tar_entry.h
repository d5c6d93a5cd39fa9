// SPDX-License-Identifier: Apache-2.0
// One member of a tar archive, as TarReader gives it and TarWriter takes it. Names are bytes: no locale, no
// normalisation.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace servin::archive {

enum class TarType { file, hard_link, symlink, char_device, block_device, directory, fifo };

struct SparseChunk {
  std::uint64_t offset = 0;  // in the file
  std::uint64_t length = 0;
};

struct TarEntry {
  std::string path = {};  // as stored: may be absolute, hold "..", end in '/'
  std::string link = {};  // target of hard links and symlinks
  TarType type = TarType::file;
  std::uint32_t mode = 0644;  // permission bits with setuid, setgid and sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;  // of the file when unpacked; 0 for everything but files
  std::int64_t mtime = 0;  // seconds since 1970
  std::uint32_t mtime_ns = 0;
  std::uint32_t dev_major = 0;
  std::uint32_t dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs = {};  // full names ("security.capability"), raw values
  bool is_sparse = false;
  std::vector<SparseChunk> chunks = {};  // where the data of a sparse file belongs; ascending, not overlapping
};

}  // namespace servin::archive
