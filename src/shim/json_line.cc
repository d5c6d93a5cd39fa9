// SPDX-License-Identifier: Apache-2.0
#include "shim/json_line.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace servin::shim {
namespace {

using Byte = unsigned char;

// What may stand in a JSON string as it is (and starts no multi-byte character).
constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x80; ++c) plain[c] = true;
  for (char c : {'"', '\\', '<', '>', '&'}) plain[static_cast<Byte>(c)] = false;
  return plain;
}
constexpr auto plain = make_plain();

char* put(char* to, std::string_view s) {
  std::memcpy(to, s.data(), s.size());
  return to + s.size();
}

char* put_escape(char* to, std::string_view prefix, Byte c) {
  constexpr char digits[] = "0123456789abcdef";
  to = put(to, prefix);
  *to++ = digits[c >> 4U];
  *to++ = digits[c & 15U];
  return to;
}

struct Lead {
  std::size_t size;  // of the whole character; 0 = cannot start one
  Byte low, high;    // of its second byte
};
Lead lead_of(Byte c) {
  if (c >= 0xC2 && c <= 0xDF) return {2, 0x80, 0xBF};
  if (c == 0xE0) return {3, 0xA0, 0xBF};
  if (c == 0xED) return {3, 0x80, 0x9F};
  if (c >= 0xE1 && c <= 0xEF) return {3, 0x80, 0xBF};
  if (c == 0xF0) return {4, 0x90, 0xBF};
  if (c >= 0xF1 && c <= 0xF3) return {4, 0x80, 0xBF};
  if (c == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Bytes of the character's beginning that are there and right; equal to lead.size when it is whole.
std::size_t matching(const Byte* p, std::size_t left, const Lead& lead) {
  std::size_t n = 1;
  while (n < lead.size && n < left) {
    Byte low = n == 1 ? lead.low : 0x80;
    Byte high = n == 1 ? lead.high : 0xBF;
    if (p[n] < low || p[n] > high) break;
    ++n;
  }
  return n;
}

char* put_special(char* to, const Byte*& p, const Byte* end) {
  Byte c = *p;
  if (c < 0x80) {
    ++p;
    if (c == '"' || c == '\\') {
      *to++ = '\\';
      *to++ = static_cast<char>(c);
      return to;
    }
    if (c == '\n') return put(to, "\\n");
    if (c == '\r') return put(to, "\\r");
    return put_escape(to, "\\u00", c);
  }
  Lead lead = lead_of(c);
  if (lead.size == 0 || matching(p, static_cast<std::size_t>(end - p), lead) != lead.size) {
    ++p;
    return put_escape(to, "\\udc", c);
  }
  // U+2028 and U+2029 are line ends to JavaScript: docker escapes them.
  if (c == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9)) {
    to = put(to, p[2] == 0xA8 ? "\\u2028" : "\\u2029");
  } else {
    to = put(to, std::string_view(reinterpret_cast<const char*>(p), lead.size));
  }
  p += lead.size;
  return to;
}

void put_digits(char* to, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

char* put_time(char* to, Time time) {
  // The date changes once a second: gmtime_r only then.
  static std::int64_t cached_second = -1;
  static char cached[] = "0000-00-00T00:00:00.000000000Z";
  std::int64_t second = time.ns / 1'000'000'000;
  if (second != cached_second) {
    auto t = static_cast<time_t>(second);
    tm parts{};
    ::gmtime_r(&t, &parts);
    put_digits(cached, static_cast<unsigned>(parts.tm_year + 1900), 4);
    put_digits(cached + 5, static_cast<unsigned>(parts.tm_mon + 1), 2);
    put_digits(cached + 8, static_cast<unsigned>(parts.tm_mday), 2);
    put_digits(cached + 11, static_cast<unsigned>(parts.tm_hour), 2);
    put_digits(cached + 14, static_cast<unsigned>(parts.tm_min), 2);
    put_digits(cached + 17, static_cast<unsigned>(parts.tm_sec), 2);
    cached_second = second;
  }
  put_digits(cached + 20, static_cast<unsigned>(time.ns % 1'000'000'000), 9);
  return put(to, std::string_view(cached, sizeof cached - 1));
}

}  // namespace

std::size_t encode_json_line(char* to, std::string_view text, std::string_view stream, Time time) {
  char* start = to;
  to = put(to, "{\"log\":\"");
  const auto* p = reinterpret_cast<const Byte*>(text.data());
  const Byte* end = p + text.size();
  while (p != end) {
    const Byte* run = p;
    while (p != end && plain[*p]) ++p;
    to = put(to, std::string_view(reinterpret_cast<const char*>(run), static_cast<std::size_t>(p - run)));
    if (p != end) to = put_special(to, p, end);
  }
  to = put(to, "\",\"stream\":\"");
  to = put(to, stream);
  to = put(to, "\",\"time\":\"");
  to = put_time(to, time);
  to = put(to, "\"}\n");
  return static_cast<std::size_t>(to - start);
}

std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto* p = reinterpret_cast<const Byte*>(text.data() + text.size() - back);
    Lead lead = lead_of(*p);
    if (lead.size > back && matching(p, back, lead) == back) return back;
    if (lead.size != 0 || *p < 0x80) return 0;
  }
  return 0;
}

}  // namespace servin::shim
