// SPDX-License-Identifier: Apache-2.0
// TarReader: from header fields and extended headers to a TarEntry.
#include <algorithm>

#include "archive/failure.h"
#include "archive/tar_extra.h"
#include "archive/tar_format.h"
#include "archive/tar_reader.h"
#include "base/strings.h"

namespace servin::archive {
namespace {

constexpr std::string_view schily = "SCHILY.xattr.";
constexpr std::string_view libarchive = "LIBARCHIVE.xattr.";

std::string name_of(const char* header) {
  std::string name(text(header, field::name));
  // Only POSIX's magic has a prefix; GNU's ("ustar  ") keeps times there and v7 nothing.
  if (raw(header, field::magic).substr(0, 6) != std::string_view("ustar\0", 6)) return name;
  bool star = raw(header, field::star_magic) == std::string_view("tar\0", 4);
  auto prefix = text(header, star ? field::star_prefix : field::prefix);
  return prefix.empty() ? name : std::string(prefix) + "/" + name;
}

void add_xattr(TarEntry& entry, std::string name, std::string value) {
  for (auto& [known, old] : entry.xattrs) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  entry.xattrs.emplace_back(std::move(name), std::move(value));
}

}  // namespace

void TarReader::fill_from_header(TarEntry& entry, const char* header, Extra& extra) {
  auto number = [&](TarField f, std::string_view what) {
    auto value = parse_number(raw(header, f));
    if (!value) damaged(fmt::format("{} is not a number", what));
    return *value;
  };
  auto id = [&](TarField f, std::string_view what) {
    std::int64_t value = number(f, what);
    // The largest id means "leave as it is" to chown.
    if (value < 0 || value >= UINT32_MAX) damaged(fmt::format("{} is out of range", what));
    return static_cast<std::uint32_t>(value);
  };
  entry.path = extra.long_name ? std::move(*extra.long_name) : name_of(header);
  entry.link = extra.long_link ? std::move(*extra.long_link) : std::string(text(header, field::link));
  entry.mode = static_cast<std::uint32_t>(number(field::mode, "mode")) & 07777U;
  // A PAX record stands in for a field that cannot hold the value, so the field may be anything then.
  if (extra.find("uid") == nullptr) entry.uid = id(field::uid, "owner");
  if (extra.find("gid") == nullptr) entry.gid = id(field::gid, "group");
  if (extra.find("mtime") == nullptr) entry.mtime = number(field::mtime, "time");
  std::int64_t size = 0;
  if (const auto* text_size = extra.find("size")) {
    size = parse_i64(*text_size).value_or(-1);
  } else {
    size = number(field::size, "size");
  }
  // 512 below the largest: padding must not overflow.
  if (size < 0 || size > INT64_MAX - 512) damaged("size is out of range");
  if (const auto* path = extra.find("path")) entry.path = *path;
  if (const auto* name = extra.find("GNU.sparse.name")) entry.path = *name;
  if (const auto* link = extra.find("linkpath")) entry.link = *link;
  set_type(entry, header[field::type.at], static_cast<std::uint64_t>(size));
  if (entry.type == TarType::char_device || entry.type == TarType::block_device) {
    entry.dev_major = id(field::dev_major, "device number");
    entry.dev_minor = id(field::dev_minor, "device number");
  }
}

void TarReader::set_type(TarEntry& entry, char flag, std::uint64_t size) {
  // Links, folders and devices have no data, whatever their size says: some writers put the target's size there.
  bool has_data = false;
  switch (flag) {
    case '\0':
    case '0':
    case '7':  // contiguous file
    case 'S':  // old GNU sparse
      has_data = true;
      // Before there was a type for folders, a slash at the end said it.
      entry.type = entry.path.ends_with('/') && flag != 'S' ? TarType::directory : TarType::file;
      break;
    case '1':
      entry.type = TarType::hard_link;
      break;
    case '2':
      entry.type = TarType::symlink;
      break;
    case '3':
      entry.type = TarType::char_device;
      break;
    case '4':
      entry.type = TarType::block_device;
      break;
    case 'D':  // GNU incremental: a folder, its names as data
      has_data = true;
      [[fallthrough]];
    case '5':
      entry.type = TarType::directory;
      break;
    case '6':
      entry.type = TarType::fifo;
      break;
    default:
      throw error(ErrorCode::unsupported, "tar entry {} has type {}, which is not supported",
                  quoted(printable(entry.path)), quoted(printable(std::string_view(&flag, 1))))
          .with_id("E-ARCHIVE-UNSAFE");
  }
  stored_ = has_data ? size : 0;
  padding_ = (tar_block - stored_ % tar_block) % tar_block;
  if (entry.type == TarType::file) entry.size = stored_;
}

void TarReader::fill_from_records(TarEntry& entry, const Extra& extra) {
  auto lookup = [&](std::string_view key) {
    const auto* value = extra.find(key);
    return value != nullptr ? value : globals_->find(key);
  };
  auto id = [&](std::string_view key, std::uint32_t& out) {
    const auto* value = lookup(key);
    if (value == nullptr) return;
    auto number = parse_u64(*value);
    if (!number || *number >= UINT32_MAX) damaged(fmt::format("{} is out of range", key));
    out = static_cast<std::uint32_t>(*number);
  };
  id("uid", entry.uid);
  id("gid", entry.gid);
  if (const auto* value = lookup("mtime")) {
    auto time = parse_pax_time(*value);
    if (!time) damaged("time is not a number");
    entry.mtime = time->seconds;
    entry.mtime_ns = time->nanoseconds;
  }
  // Sorted by key, so LIBARCHIVE's come first and SCHILY's, which need no decoding, win.
  for (const auto& [key, value] : extra.records) {
    if (key.starts_with(libarchive)) {
      auto decoded = decode_base64(value);
      if (!decoded) damaged("extended attribute is not base64");
      add_xattr(entry, decode_percent(key.substr(libarchive.size())), std::move(*decoded));
    } else if (key.starts_with(schily)) {
      add_xattr(entry, key.substr(schily.size()), value);
    }
  }
}

void TarReader::check(const TarEntry& entry) const {
  auto refuse = [&](std::string_view what) {
    throw unsafe_error(fmt::format("tar entry {} {}", quoted(printable(entry.path.substr(0, 200))), what));
  };
  if (entry.path.size() > limits_.path) refuse("has a name that is too long");
  if (entry.link.size() > limits_.path) refuse("has a link target that is too long");
  // The kernel would cut the name there, after checks that saw the whole of it.
  if (entry.path.find('\0') != std::string::npos) refuse("has a NUL byte in its name");
  if (entry.link.find('\0') != std::string::npos) refuse("has a NUL byte in its link target");
  if (entry.xattrs.size() > limits_.xattrs) refuse("has too many extended attributes");
  for (const auto& [name, value] : entry.xattrs) {
    if (name.empty() || name.size() > 255 || name.find('\0') != std::string::npos) {
      refuse("has an extended attribute with an impossible name");
    }
    if (value.size() > limits_.xattr_value) refuse("has an extended attribute that is too long");
  }
}

}  // namespace servin::archive
