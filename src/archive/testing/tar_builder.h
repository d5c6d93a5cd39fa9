// SPDX-License-Identifier: Apache-2.0
// For tests: builds tar archives byte by byte, valid ones and such as no tar program would write.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "archive/tar_format.h"

namespace servin::archive::testing {

struct Member {
  std::string name = {};
  std::string link = {};
  char type = '0';
  std::string content = {};
  unsigned mode = 0644;
  long uid = 0;
  long gid = 0;
  long long mtime = 1000;
  long long size = -1;  // -1: that of the content
  unsigned major = 0;
  unsigned minor = 0;
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
  std::string prefix = {};
  std::vector<std::pair<std::string, std::string>> pax = {};  // a PAX header before the member
};

class TarBuilder {
 public:
  TarBuilder& add(const Member& m) {
    if (!m.pax.empty()) add_pax('x', m.pax);
    std::string block(tar_block, '\0');
    put(block, field::name, m.name);
    put(block, field::link, m.link);
    octal(block, field::mode, m.mode);
    octal(block, field::uid, m.uid);
    octal(block, field::gid, m.gid);
    octal(block, field::size, m.size >= 0 ? m.size : static_cast<long long>(m.content.size()));
    octal(block, field::mtime, m.mtime);
    octal(block, field::dev_major, m.major);
    octal(block, field::dev_minor, m.minor);
    put(block, field::magic, m.magic);
    put(block, field::prefix, m.prefix);
    block[field::type.at] = m.type;
    return raw_header(std::move(block)).data(m.content);
  }
  TarBuilder& file(std::string name, std::string content = "x", unsigned mode = 0644) {
    return add({.name = std::move(name), .content = std::move(content), .mode = mode});
  }
  TarBuilder& dir(std::string name, unsigned mode = 0755) {
    return add({.name = std::move(name), .type = '5', .mode = mode});
  }
  TarBuilder& symlink(std::string name, std::string target) {
    return add({.name = std::move(name), .link = std::move(target), .type = '2', .mode = 0777});
  }
  TarBuilder& hard_link(std::string name, std::string target) {
    return add({.name = std::move(name), .link = std::move(target), .type = '1'});
  }
  TarBuilder& add_pax(char type, const std::vector<std::pair<std::string, std::string>>& records) {
    std::string text;
    for (const auto& [key, value] : records) text += make_pax_record(key, value);
    return add({.name = "PaxHeaders/x", .type = type, .content = text});
  }
  /// GNU L (name) and K (link).
  TarBuilder& gnu_long(char type, const std::string& text) {
    return add({.name = "././@LongLink", .type = type, .content = text + std::string(1, '\0'), .magic = "ustar  "});
  }
  /// Sets the checksum and appends.
  TarBuilder& raw_header(std::string block) {
    std::memset(block.data() + field::checksum.at, ' ', field::checksum.size);
    char text[8];
    std::snprintf(text, sizeof text, "%06llo", static_cast<unsigned long long>(checksums(block.data()).first));
    std::memcpy(block.data() + field::checksum.at, text, 7);
    bytes_ += block;
    return *this;
  }
  /// Padded to a block.
  TarBuilder& data(std::string_view content) {
    bytes_ += content;
    bytes_.resize((bytes_.size() + tar_block - 1) / tar_block * tar_block);
    return *this;
  }
  /// With the two blocks of zeros.
  std::string end() const { return bytes_ + std::string(2 * tar_block, '\0'); }
  const std::string& unfinished() const { return bytes_; }

  static void put(std::string& block, TarField f, std::string_view text) {
    std::memcpy(block.data() + f.at, text.data(), std::min(f.size, text.size()));
  }
  static void octal(std::string& block, TarField f, long long value) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(f.size - 1), static_cast<unsigned long long>(value));
    put(block, f, text);
  }

 private:
  std::string bytes_;
};

}  // namespace servin::archive::testing
