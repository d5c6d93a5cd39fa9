// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_writer.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "archive/tar_format.h"
#include "base/error.h"
#include "base/strings.h"

namespace servin::archive {
namespace {

constexpr std::size_t record_size = 20 * tar_block;  // what tar programs read at once

char type_flag(TarType type) {
  switch (type) {
    case TarType::hard_link:
      return '1';
    case TarType::symlink:
      return '2';
    case TarType::char_device:
      return '3';
    case TarType::block_device:
      return '4';
    case TarType::directory:
      return '5';
    case TarType::fifo:
      return '6';
    case TarType::file:
      break;
  }
  return '0';
}

bool fits(std::uint64_t value, TarField f) { return value < (std::uint64_t{1} << (3 * (f.size - 1))); }

void put_text(char* header, TarField f, std::string_view value) {
  std::memcpy(header + f.at, value.data(), std::min(f.size, value.size()));
}

void put_octal(char* header, TarField f, std::uint64_t value) {
  std::string digits = fmt::format("{:0{}o}", value, f.size - 1);
  put_text(header, f, digits);
}

// Where to cut `path` so that both parts fit their fields; npos when it cannot be done.
std::size_t split_point(std::string_view path) {
  std::size_t slash = path.rfind('/', field::prefix.size);
  if (path.ends_with('/') && slash == path.size() - 1) slash = path.rfind('/', path.size() - 2);
  if (slash == std::string_view::npos || slash == 0 || path.size() - slash - 1 > field::name.size) {
    return std::string_view::npos;
  }
  return slash;
}

struct Header {
  char bytes[tar_block] = {};
  std::string records;  // for a PAX header before it

  void number(TarField f, std::uint64_t value, std::string_view key) {
    bool small = fits(value, f);
    put_octal(bytes, f, small ? value : 0);
    if (!small) records += make_pax_record(key, std::to_string(value));
  }
  void name(std::string_view path) {
    if (path.size() <= field::name.size) {
      put_text(bytes, field::name, path);
      return;
    }
    auto cut = split_point(path);
    if (cut != std::string_view::npos) {
      put_text(bytes, field::prefix, path.substr(0, cut));
      put_text(bytes, field::name, path.substr(cut + 1));
      return;
    }
    put_text(bytes, field::name, path.substr(0, field::name.size));
    records += make_pax_record("path", path);
  }
  void link(std::string_view target) {
    put_text(bytes, field::link, target.substr(0, field::link.size));
    if (target.size() > field::link.size) records += make_pax_record("linkpath", target);
  }
  void time(const TarEntry& entry) {
    bool plain = entry.mtime >= 0 && fits(static_cast<std::uint64_t>(entry.mtime), field::mtime);
    put_octal(bytes, field::mtime, plain ? static_cast<std::uint64_t>(entry.mtime) : 0);
    if (plain && entry.mtime_ns == 0) return;
    // Before 1970 the fraction counts the other way: -2 s + 0.5e9 ns is "-1.5".
    std::int64_t seconds = entry.mtime;
    std::uint32_t ns = entry.mtime_ns;
    bool negative = seconds < 0;
    if (negative && ns != 0) {
      seconds += 1;
      ns = 1'000'000'000 - ns;
    }
    std::string value =
        fmt::format("{}{}", negative ? "-" : "",
                    seconds < 0 ? 0 - static_cast<std::uint64_t>(seconds) : static_cast<std::uint64_t>(seconds));
    if (ns != 0) {
      std::string digits = fmt::format("{:09}", ns);
      digits.erase(digits.find_last_not_of('0') + 1);
      value += "." + digits;
    }
    records += make_pax_record("mtime", value);
  }
  void seal(char type) {
    bytes[field::type.at] = type;
    put_text(bytes, field::magic,
             std::string_view("ustar\0"
                              "00",
                              8));
    std::string sum = fmt::format("{:06o}", checksums(bytes).first);
    sum.push_back('\0');
    sum.push_back(' ');
    put_text(bytes, field::checksum, sum);
  }
};

// What stands before the data of a sparse file (PAX sparse 1.0): where its pieces belong, padded to whole blocks.
std::string sparse_map(const TarEntry& entry) {
  // An empty piece at the end tells GNU tar how long the file is.
  auto chunks = entry.chunks;
  if (chunks.empty() || chunks.back().offset + chunks.back().length < entry.size) chunks.push_back({entry.size, 0});
  std::string map = std::to_string(chunks.size()) + "\n";
  for (const auto& chunk : chunks) map += fmt::format("{}\n{}\n", chunk.offset, chunk.length);
  map.resize((map.size() + tar_block - 1) / tar_block * tar_block, '\0');
  return map;
}

std::uint64_t data_size(const TarEntry& entry) {
  if (entry.type != TarType::file) return 0;
  if (!entry.is_sparse) return entry.size;
  std::uint64_t size = 0;
  for (const auto& chunk : entry.chunks) size += chunk.length;
  return size;
}

void check_writable(const TarEntry& entry) {
  auto refuse = [&](std::string_view what) {
    throw error(ErrorCode::unsupported, "{} cannot be written to a tar archive: {}", quoted(printable(entry.path)),
                what);
  };
  if (!fits(entry.dev_major, field::dev_major) || !fits(entry.dev_minor, field::dev_minor)) refuse("its device number");
  for (const auto& [name, value] : entry.xattrs) {
    // PAX ends the key there.
    if (name.find('=') != std::string::npos) refuse("an extended attribute has '=' in its name");
  }
}

}  // namespace

void TarWriter::put(std::string_view bytes) {
  sink_.write(bytes);
  written_ += bytes.size();
}

void TarWriter::begin(const TarEntry& entry) {
  close_member();
  check_writable(entry);
  Header header;
  std::string path = entry.path;
  if (entry.type == TarType::directory && !path.ends_with('/')) path += '/';
  std::uint64_t size = data_size(entry);
  std::string map;
  if (entry.is_sparse && entry.type == TarType::file) {
    map = sparse_map(entry);
    // Who does not know the form finds the file under another name, with the map in front.
    header.name("GNUSparseFile.0/" + std::string(std::string_view(path).substr(path.rfind('/') + 1)));
    header.records += make_pax_record("GNU.sparse.major", "1");
    header.records += make_pax_record("GNU.sparse.minor", "0");
    header.records += make_pax_record("GNU.sparse.name", path);
    header.records += make_pax_record("GNU.sparse.realsize", std::to_string(entry.size));
  } else {
    header.name(path);
  }
  header.link(entry.link);
  put_octal(header.bytes, field::mode, entry.mode & 07777U);
  header.number(field::uid, entry.uid, "uid");
  header.number(field::gid, entry.gid, "gid");
  header.number(field::size, map.size() + size, "size");
  header.time(entry);
  put_octal(header.bytes, field::dev_major, entry.dev_major);
  put_octal(header.bytes, field::dev_minor, entry.dev_minor);
  for (const auto& [name, value] : entry.xattrs) header.records += make_pax_record("SCHILY.xattr." + name, value);
  if (!header.records.empty()) {
    Header pax;
    put_text(pax.bytes, field::name, "PaxHeaders/" + path.substr(0, 80));
    put_octal(pax.bytes, field::mode, 0644);
    put_octal(pax.bytes, field::uid, 0);
    put_octal(pax.bytes, field::gid, 0);
    put_octal(pax.bytes, field::size, header.records.size());
    put_octal(pax.bytes, field::mtime, 0);
    pax.seal('x');
    put({pax.bytes, tar_block});
    put(header.records);
    close_member();
  }
  header.seal(type_flag(entry.type));
  put({header.bytes, tar_block});
  put(map);
  left_ = size;
}

void TarWriter::write(std::string_view bytes) {
  if (bytes.size() > left_) throw Error(ErrorCode::internal, "tar member has more data than its header says");
  left_ -= bytes.size();
  put(bytes);
}

void TarWriter::add(TarEntry entry, std::string_view content) {
  entry.size = content.size();
  begin(entry);
  write(content);
}

void TarWriter::add_directory(std::string_view path, std::uint32_t mode) {
  TarEntry entry;
  entry.path = path;
  entry.type = TarType::directory;
  entry.mode = mode;
  begin(entry);
}

void TarWriter::close_member() {
  if (left_ != 0) throw Error(ErrorCode::internal, "tar member has less data than its header says");
  static constexpr char zeros[tar_block] = {};
  put({zeros, (tar_block - written_ % tar_block) % tar_block});
}

void TarWriter::finish() {
  close_member();
  std::string zeros(2 * tar_block, '\0');
  zeros.resize(zeros.size() + (record_size - (written_ + zeros.size()) % record_size) % record_size);
  put(zeros);
}

}  // namespace servin::archive
