// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_reader.h"

#include <algorithm>
#include <cstring>

#include "archive/failure.h"
#include "archive/tar_extra.h"
#include "archive/tar_format.h"
#include "base/strings.h"

namespace servin::archive {
namespace {
constexpr std::size_t buffer_size = 256U << 10U;
constexpr std::size_t max_extra_headers = 64;
}  // namespace

TarReader::TarReader(ByteSource& source, const TarLimits& limits)
    : source_(source), limits_(limits), globals_(std::make_unique<Extra>()) {
  buffer_.resize(buffer_size);
}
TarReader::~TarReader() = default;

void TarReader::damaged(std::string_view what) const {
  throw damaged_error(fmt::format("tar archive is damaged at byte {}: {}", block_offset_, what));
}

// ---- bytes

std::string_view TarReader::window(std::size_t want) {
  if (end_ - begin_ < want) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    while (end_ < want) {
      std::size_t got = source_.read(buffer_.data() + end_, buffer_.size() - end_);
      if (got == 0) break;
      end_ += got;
    }
  }
  return {buffer_.data() + begin_, end_ - begin_};
}

void TarReader::consume(std::size_t n) {
  begin_ += n;
  position_ += n;
}

const char* TarReader::block() {
  block_offset_ = position_;
  auto bytes = window(tar_block);
  if (bytes.empty()) return nullptr;
  if (bytes.size() < tar_block) damaged("it ends early");
  consume(tar_block);
  return bytes.data();
}

void TarReader::skip_bytes(std::uint64_t n) {
  std::size_t here = std::min<std::uint64_t>(n, end_ - begin_);
  consume(here);
  n -= here;
  if (n == 0) return;
  std::uint64_t there = source_.skip(n);
  position_ += there;
  if (there == n) return;
  block_offset_ = position_;
  damaged("it ends early");
}

std::string TarReader::read_content(std::uint64_t size, std::size_t limit) {
  if (size > limit) damaged(fmt::format("extended header of {} bytes", size));
  std::string out;
  while (out.size() < size) {
    auto bytes = window(1);
    if (bytes.empty()) damaged("it ends early");
    bytes = bytes.substr(0, size - out.size());
    out.append(bytes);
    consume(bytes.size());
  }
  skip_bytes((tar_block - size % tar_block) % tar_block);
  return out;
}

// ---- members

bool TarReader::next(TarEntry& entry) {
  if (at_end_) return false;
  skip_bytes(stored_);
  skip_bytes(padding_);
  stored_ = padding_ = 0;
  block_ = {};
  header_offset_ = position_;
  Extra extra;
  char header[tar_block];
  if (!read_headers(extra, header)) {
    at_end_ = true;
    return false;
  }
  entry = {};
  begin_member(entry, header, extra);
  return true;
}

void TarReader::begin_member(TarEntry& entry, const char* header, Extra& extra) {
  fill_from_header(entry, header, extra);
  fill_from_records(entry, extra);
  check(entry);
  chunks_.clear();
  if (header[field::type.at] == 'S') {
    read_old_sparse(entry, header);
  } else if (entry.type == TarType::file) {
    read_pax_sparse(entry, extra);
  }
  if (entry.is_sparse) check_sparse(entry);
  data_offset_ = position_;
  chunks_ = entry.chunks;
  chunk_ = 0;
  in_chunk_ = offset_ = read_at_ = block_at_ = 0;
  size_ = entry.size;
}

bool TarReader::at_archive_end(const char* header) {
  if (header == nullptr) return true;
  if (!is_zero_block(header)) return false;
  const char* second = block();
  if (second != nullptr && !is_zero_block(second)) damaged("a lone block of zeros");
  return true;
}

// Reads up to the member's own header and copies it. False at the end.
bool TarReader::read_headers(Extra& extra, char* header) {
  while (true) {
    const char* next = block();
    if (at_archive_end(next)) {
      if (extra.long_name || extra.long_link || !extra.records.empty()) damaged("it ends behind an extended header");
      return false;
    }
    auto stored = parse_number(raw(next, field::checksum));
    auto [as_unsigned, as_signed] = checksums(next);
    if (!stored || (*stored != as_unsigned && *stored != as_signed)) damaged("wrong checksum of a header");
    std::memcpy(header, next, tar_block);
    if (!read_extra_header(extra, header)) return true;
    if (++extra.headers > max_extra_headers) damaged("too many extended headers in a row");
  }
}

bool TarReader::read_extra_header(Extra& extra, const char* header) {
  char flag = header[field::type.at];
  if (std::string_view("xXgLKV").find(flag) == std::string_view::npos) return false;
  auto size = parse_number(raw(header, field::size));
  if (!size || *size < 0) damaged("wrong size of an extended header");
  std::string content = read_content(static_cast<std::uint64_t>(*size), limits_.pax_header - extra.bytes);
  extra.bytes += content.size();
  if (flag == 'V') return true;  // a volume label: nothing to unpack
  if (flag == 'L' || flag == 'K') {
    content.resize(std::min(content.size(), content.find('\0')));
    (flag == 'L' ? extra.long_name : extra.long_link) = std::move(content);
    return true;
  }
  std::string_view rest = content;
  while (!rest.empty()) {
    auto record = take_pax_record(rest);
    if (!record) damaged("malformed PAX record");
    if (flag == 'g') {
      // Of what could hold for all members only these make sense; they also bound what is kept.
      if (record->key == "uid" || record->key == "gid" || record->key == "mtime")
        globals_->records[std::string(record->key)] = record->value;
    } else if (record->key == "GNU.sparse.offset" || record->key == "GNU.sparse.numbytes") {
      extra.sparse_0_0.emplace_back(record->value);
    } else {
      extra.records[std::string(record->key)] = record->value;
    }
  }
  return true;
}

// ---- the data

std::string_view TarReader::read_block(std::uint64_t& offset) {
  if (stored_ == 0) return {};
  std::uint64_t limit = stored_;
  if (!chunks_.empty()) {
    while (in_chunk_ == chunks_[chunk_].length) {
      ++chunk_;
      in_chunk_ = 0;
    }
    limit = chunks_[chunk_].length - in_chunk_;
    offset_ = chunks_[chunk_].offset + in_chunk_;
  }
  auto bytes = window(1);
  if (bytes.empty()) {
    block_offset_ = position_;
    damaged("it ends early");
  }
  bytes = bytes.substr(0, limit);
  consume(bytes.size());
  stored_ -= bytes.size();
  in_chunk_ += bytes.size();
  offset = offset_;
  offset_ += bytes.size();
  return bytes;
}

std::size_t TarReader::read(void* buffer, std::size_t n) {
  if (read_at_ == size_) return 0;
  if (block_.empty()) {
    block_ = read_block(block_at_);
    if (block_.empty()) block_at_ = size_;
  }
  std::size_t got;
  if (read_at_ < block_at_) {
    got = std::min<std::uint64_t>(n, block_at_ - read_at_);
    std::memset(buffer, 0, got);
  } else {
    got = std::min(n, block_.size());
    std::memcpy(buffer, block_.data(), got);
    block_.remove_prefix(got);
    block_at_ += got;
  }
  read_at_ += got;
  return got;
}

std::string TarReader::read_all(std::size_t limit) {
  if (size_ > limit) throw limit_error(fmt::format("member of the archive is larger than {} bytes", limit));
  std::string out(size_, '\0');
  std::size_t done = 0;
  while (std::size_t got = read(out.data() + done, out.size() - done)) done += got;
  return out;
}

}  // namespace servin::archive
