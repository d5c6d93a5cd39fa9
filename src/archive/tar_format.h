// SPDX-License-Identifier: Apache-2.0
// The 512-byte header block of tar, its numbers, and PAX records (POSIX.1-2001 pax, "ustar Interchange Format" and "pax
// Header Block"; the GNU fields as in GNU tar's manual, "Basic Tar Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace servin::archive {

constexpr std::size_t tar_block = 512;

struct TarField {
  std::size_t at;
  std::size_t size;
};
namespace field {
constexpr TarField name{0, 100}, mode{100, 8}, uid{108, 8}, gid{116, 8}, size{124, 12}, mtime{136, 12},
    checksum{148, 8}, type{156, 1}, link{157, 100}, magic{257, 8}, uname{265, 32}, gname{297, 32}, dev_major{329, 8},
    dev_minor{337, 8}, prefix{345, 155};
// Old GNU sparse files: four (offset, length) pairs, "more blocks follow", and the size of the unpacked file.
constexpr TarField gnu_sparse{386, 96}, gnu_more{482, 1}, gnu_real_size{483, 12};
// star's variant of ustar has a shorter prefix and times behind it.
constexpr TarField star_prefix{345, 131}, star_magic{508, 4};
}  // namespace field

inline std::string_view raw(const char* header, TarField f) { return {header + f.at, f.size}; }
/// Up to the first NUL.
inline std::string_view text(const char* header, TarField f) {
  auto s = raw(header, f);
  return s.substr(0, s.find('\0'));
}

/// Octal, or GNU's base 256 (first bit set, big endian, two's complement); blank fields are 0. Nothing when it is
/// neither, or needs more than 63 bits.
std::optional<std::int64_t> parse_number(std::string_view bytes);

/// Sum over the block with the checksum field as spaces, as unsigned and as signed bytes: old tars added signed ones.
std::pair<std::int64_t, std::int64_t> checksums(const char* header);

bool is_zero_block(const char* block);

/// Takes one "LENGTH KEY=VALUE\n" from the front; nothing when it is malformed.
struct PaxRecord {
  std::string_view key;
  std::string_view value;
};
std::optional<PaxRecord> take_pax_record(std::string_view& rest);
std::string make_pax_record(std::string_view key, std::string_view value);

struct PaxTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};
/// "1700000000.25", "-1.5".
std::optional<PaxTime> parse_pax_time(std::string_view text);

std::optional<std::string> decode_base64(std::string_view text);
std::string decode_percent(std::string_view text);

}  // namespace servin::archive
