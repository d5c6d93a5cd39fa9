// SPDX-License-Identifier: Apache-2.0
// TarReader: sparse files, in the old GNU form and in the three PAX forms 0.0, 0.1 and 1.0 (GNU tar's manual, "Storing
// Sparse Files").
#include "archive/failure.h"
#include "archive/tar_extra.h"
#include "archive/tar_format.h"
#include "archive/tar_reader.h"
#include "base/strings.h"

namespace servin::archive {

void TarReader::add_chunk(TarEntry& entry, std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return;  // GNU tar closes its maps with an empty piece at the end of the file
  if (entry.chunks.size() >= limits_.sparse_chunks) throw limit_error("sparse file with too many pieces");
  std::uint64_t floor = entry.chunks.empty() ? 0 : entry.chunks.back().offset + entry.chunks.back().length;
  if (offset < floor || offset > entry.size || length > entry.size - offset) damaged("map of a sparse file");
  entry.chunks.push_back({offset, length});
}

void TarReader::check_sparse(const TarEntry& entry) const {
  std::uint64_t total = 0;
  for (const auto& chunk : entry.chunks) total += chunk.length;  // they do not overlap below entry.size: no overflow
  if (total != stored_) damaged("map of a sparse file does not fit its data");
}

void TarReader::read_old_sparse(TarEntry& entry, const char* header) {
  auto number = [&](const char* at) {
    auto value = parse_number({at, 12});
    if (!value || *value < 0) damaged("map of a sparse file");
    return static_cast<std::uint64_t>(*value);
  };
  auto pairs = [&](const char* at, int count) {
    for (int i = 0; i < count && at[0] != '\0'; ++i, at += 24) add_chunk(entry, number(at), number(at + 12));
  };
  entry.is_sparse = true;
  entry.size = number(header + field::gnu_real_size.at);
  pairs(header + field::gnu_sparse.at, 4);
  bool more = header[field::gnu_more.at] != 0;
  for (std::size_t blocks = 0; more; ++blocks) {
    const char* next = block();
    if (next == nullptr) damaged("it ends early");
    if (blocks > limits_.sparse_chunks / 21) throw limit_error("sparse file with too many pieces");
    pairs(next, 21);
    more = next[504] != 0;
  }
}

void TarReader::read_pax_sparse(TarEntry& entry, const Extra& extra) {
  auto number = [&](std::string_view value) {
    auto n = parse_u64(value);
    if (!n || *n > INT64_MAX) damaged("map of a sparse file");
    return *n;
  };
  const auto* major = extra.find("GNU.sparse.major");
  const auto* map = extra.find("GNU.sparse.map");
  if (major == nullptr && map == nullptr && extra.sparse_0_0.empty()) return;
  const auto* size = extra.find("GNU.sparse.realsize");
  if (size == nullptr) size = extra.find("GNU.sparse.size");
  if (size == nullptr) damaged("sparse file without its size");
  entry.is_sparse = true;
  entry.size = number(*size);
  if (major != nullptr && *major != "0") {
    const auto* minor = extra.find("GNU.sparse.minor");
    if (*major != "1" || minor == nullptr || *minor != "0") {
      throw error(ErrorCode::unsupported, "tar entry {} has an unknown form of sparse file",
                  quoted(printable(entry.path)));
    }
    read_sparse_1_0(entry);
    return;
  }
  auto parts = map != nullptr ? split(*map, ',') : extra.sparse_0_0;
  if (parts.size() % 2 != 0) damaged("map of a sparse file");
  for (std::size_t i = 0; i < parts.size(); i += 2) add_chunk(entry, number(parts[i]), number(parts[i + 1]));
}

// The map stands before the data: decimal numbers, one a line, padded to whole blocks.
void TarReader::read_sparse_1_0(TarEntry& entry) {
  const char* at = nullptr;
  std::size_t left = 0;
  auto number = [&] {
    std::uint64_t value = 0;
    for (int digits = 0;; ++digits) {
      if (left == 0) {
        if (stored_ < tar_block) damaged("map of a sparse file");
        at = block();
        if (at == nullptr) damaged("it ends early");
        stored_ -= tar_block;
        left = tar_block;
      }
      char c = *at++;
      --left;
      if (c == '\n' && digits != 0) return value;
      if (c < '0' || c > '9' || digits > 18) damaged("map of a sparse file");
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
  };
  std::uint64_t count = number();
  if (count > limits_.sparse_chunks) throw limit_error("sparse file with too many pieces");
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t offset = number();
    add_chunk(entry, offset, number());
  }
}

}  // namespace servin::archive
