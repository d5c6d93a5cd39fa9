// SPDX-License-Identifier: Apache-2.0
#include "archive/tar_format.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace servin::archive {
namespace {

std::optional<std::int64_t> parse_base256(std::string_view bytes) {
  auto first = static_cast<unsigned char>(bytes[0]);
  bool negative = (first & 0x40U) != 0;
  // The first bit only marks the form; the second is the sign.
  std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
  value = (value << 6U) | (first & 0x3fU);
  for (char c : bytes.substr(1)) {
    std::uint64_t top = value >> 55U;
    if (top != (negative ? 0x1ffU : 0U)) return std::nullopt;
    value = (value << 8U) | static_cast<unsigned char>(c);
  }
  return static_cast<std::int64_t>(value);
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view bytes) {
  if ((static_cast<unsigned char>(bytes[0]) & 0x80U) != 0) return parse_base256(bytes);
  std::size_t i = 0;
  while (i < bytes.size() && (bytes[i] == ' ' || bytes[i] == '\0')) ++i;
  std::int64_t value = 0;
  for (; i < bytes.size() && bytes[i] >= '0' && bytes[i] <= '7'; ++i) value = value * 8 + (bytes[i] - '0');
  // Twelve octal digits fit; what ends the number is a space, a NUL or the field's end.
  if (i < bytes.size() && bytes[i] != ' ' && bytes[i] != '\0') return std::nullopt;
  return value;
}

std::pair<std::int64_t, std::int64_t> checksums(const char* header) {
  std::int64_t as_unsigned = 0;
  std::int64_t as_signed = 0;
  for (std::size_t i = 0; i < tar_block; ++i) {
    bool blank = i >= field::checksum.at && i < field::checksum.at + field::checksum.size;
    char c = blank ? ' ' : header[i];
    as_unsigned += static_cast<unsigned char>(c);
    as_signed += static_cast<signed char>(c);
  }
  return {as_unsigned, as_signed};
}

bool is_zero_block(const char* block) { return block[0] == '\0' && std::memcmp(block, block + 1, tar_block - 1) == 0; }

std::optional<PaxRecord> take_pax_record(std::string_view& rest) {
  auto space = rest.find(' ');
  if (space == std::string_view::npos || space == 0 || space > 10) return std::nullopt;
  auto length = parse_u64(rest.substr(0, space));
  // "5 a=\n" is the shortest: a key, '=' and the new line at least.
  if (!length || *length > rest.size() || *length < space + 4) return std::nullopt;
  std::string_view body = rest.substr(space + 1, *length - space - 1);
  if (body.back() != '\n') return std::nullopt;
  body.remove_suffix(1);
  auto equals = body.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  rest.remove_prefix(*length);
  return PaxRecord{body.substr(0, equals), body.substr(equals + 1)};
}

std::string make_pax_record(std::string_view key, std::string_view value) {
  // The length counts its own digits.
  std::size_t body = key.size() + value.size() + 3;
  std::size_t total = body + 1;
  while (std::to_string(total).size() + body != total) total = std::to_string(total).size() + body;
  std::string out = std::to_string(total);
  out.append(" ").append(key).append("=").append(value).append("\n");
  return out;
}

std::optional<PaxTime> parse_pax_time(std::string_view value) {
  bool negative = value.starts_with('-');
  if (negative) value.remove_prefix(1);
  auto point = value.find('.');
  auto whole = parse_u64(value.substr(0, point));
  if (!whole || *whole > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  std::int64_t ns = 0;
  if (point != std::string_view::npos) {
    std::string digits(value.substr(point + 1));
    if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    digits.resize(9, '0');
    ns = static_cast<std::int64_t>(*parse_u64(digits));
  }
  auto seconds = static_cast<std::int64_t>(*whole);
  if (negative) {
    seconds = -seconds;
    if (ns != 0) {
      seconds -= 1;
      ns = 1'000'000'000 - ns;
    }
  }
  return PaxTime{seconds, static_cast<std::uint32_t>(ns)};
}

std::optional<std::string> decode_base64(std::string_view encoded) {
  while (!encoded.empty() && encoded.back() == '=') encoded.remove_suffix(1);
  std::string out;
  out.reserve(encoded.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char c : encoded) {
    int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>((bits >> count) & 0xffU));
  }
  return out;
}

std::string decode_percent(std::string_view encoded) {
  std::string out;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    int high = i + 2 < encoded.size() && encoded[i] == '%' ? hex_value(encoded[i + 1]) : -1;
    int low = high >= 0 ? hex_value(encoded[i + 2]) : -1;
    if (low < 0) {
      out.push_back(encoded[i]);
      continue;
    }
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace servin::archive
