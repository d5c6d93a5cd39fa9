// SPDX-License-Identifier: Apache-2.0
// Writes ustar, with a PAX header before a member where ustar has no room for it (long names, large numbers, xattrs,
// fractions of a second). The same entries give the same bytes, on every machine and at every time.
#pragma once

#include <cstdint>
#include <string_view>

#include "archive/stream.h"
#include "archive/tar_entry.h"

namespace servin::archive {

class TarWriter {
 public:
  /// `sink` outlives the writer.
  explicit TarWriter(ByteSink& sink) : sink_(sink) {}

  /// A member whose data follow by write(): exactly entry.size bytes; of a sparse entry (PAX sparse 1.0) the bytes of
  /// its chunks, one behind the other. GNU tar wants all of them but the last to be a multiple of 512 bytes long.
  void begin(const TarEntry& entry);
  void write(std::string_view bytes);
  /// begin() and write() for content that is at hand; sets the size from it.
  void add(TarEntry entry, std::string_view content = {});
  void add_directory(std::string_view path, std::uint32_t mode = 0755);
  /// Completes the last member and writes the end: two zero blocks, padded to 10 KiB.
  void finish();

 private:
  void close_member();
  void put(std::string_view bytes);

  ByteSink& sink_;
  std::uint64_t left_ = 0;     // bytes that the open member still needs
  std::uint64_t written_ = 0;  // of the archive
};

}  // namespace servin::archive
