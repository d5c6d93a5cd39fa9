// SPDX-License-Identifier: Apache-2.0
// A tar reader of our own: v7, ustar, GNU (long names, base-256 numbers, old sparse files) and PAX (POSIX.1-2001, with
// GNU.sparse, SCHILY.xattr and LIBARCHIVE.xattr), and nothing else. libarchive guesses among many formats and has had
// memory errors in just these corners; image layers need one format and a reader that refuses what it does not
// understand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "archive/stream.h"
#include "archive/tar_entry.h"

namespace servin::archive {

/// What an archive may ask of the reader's memory. Names longer than 4095 bytes cannot be given to the kernel anyway.
struct TarLimits {
  std::size_t path = 4095;
  std::size_t pax_header = 1U << 20U;
  std::size_t sparse_chunks = 1U << 20U;
  std::size_t xattrs = 128;
  std::size_t xattr_value = 64U << 10U;
};

class TarReader {
 public:
  /// `source` outlives the reader.
  explicit TarReader(ByteSource& source, const TarLimits& limits = {});
  ~TarReader();

  /// The next member; what is left of the one before is skipped (by seeking where the source can). False at the end of
  /// the archive: two zero blocks, or the end of the source on a block boundary. Throws data_loss (E-ARCHIVE-DAMAGED)
  /// with the offset of the block, unsupported for member types that we do not know.
  bool next(TarEntry& entry);

  /// The next bytes of the member's data: a view that holds until the next call, empty at the end. `offset` is their
  /// place in the unpacked file (sparse files have gaps, also at the end: see TarEntry::size).
  std::string_view read_block(std::uint64_t& offset);
  /// The member as it is when unpacked, holes as zero bytes; 0 at the end.
  std::size_t read(void* buffer, std::size_t n);
  /// All of it. Throws (E-ARCHIVE-LIMIT) when it is longer than `limit`.
  std::string read_all(std::size_t limit);

  /// Where the member's header (the first of them, for PAX and GNU long names) and its stored data lie in the source.
  /// For a file that is not sparse the data are `size` bytes at data_offset().
  std::uint64_t header_offset() const { return header_offset_; }
  std::uint64_t data_offset() const { return data_offset_; }
  /// Bytes of the source that were used so far.
  std::uint64_t position() const { return position_; }

 private:
  struct Extra;  // what the headers before the main one said

  void begin_member(TarEntry& entry, const char* header, Extra& extra);
  const char* block();  // the next 512 bytes; null at the end of the source
  std::string_view window(std::size_t want);
  void consume(std::size_t n);
  void skip_bytes(std::uint64_t n);
  void finish_member();
  bool at_archive_end(const char* header);
  bool read_headers(Extra& extra, char* header);
  bool read_extra_header(Extra& extra, const char* header);
  std::string read_content(std::uint64_t size, std::size_t limit);
  void fill_from_header(TarEntry& entry, const char* header, Extra& extra);
  void set_type(TarEntry& entry, char flag, std::uint64_t size);
  void fill_from_records(TarEntry& entry, const Extra& extra);
  void read_old_sparse(TarEntry& entry, const char* header);
  void read_pax_sparse(TarEntry& entry, const Extra& extra);
  void read_sparse_1_0(TarEntry& entry);
  void check_sparse(const TarEntry& entry) const;
  void add_chunk(TarEntry& entry, std::uint64_t offset, std::uint64_t length) const;
  void check(const TarEntry& entry) const;
  [[noreturn]] void damaged(std::string_view what) const;

  ByteSource& source_;
  TarLimits limits_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not used yet in buffer_
  std::size_t end_ = 0;
  std::unique_ptr<Extra> globals_;  // owner and time from PAX global headers
  std::uint64_t position_ = 0;
  std::uint64_t header_offset_ = 0;
  std::uint64_t block_offset_ = 0;  // of the header block being read, for error texts
  std::uint64_t data_offset_ = 0;
  std::uint64_t stored_ = 0;   // data bytes of the member that are still in the source
  std::uint64_t padding_ = 0;  // behind them
  bool at_end_ = false;
  // Where read_block and read are in a sparse file.
  std::vector<SparseChunk> chunks_;
  std::size_t chunk_ = 0;
  std::uint64_t in_chunk_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::string_view block_;  // read(): what is left of the last read_block, where it belongs, and where read() is
  std::uint64_t read_at_ = 0;
  std::uint64_t block_at_ = 0;
};

}  // namespace servin::archive
