// SPDX-License-Identifier: Apache-2.0
#include "shim/client/log_record.h"

#include <cstdint>

namespace servin::shim {
namespace {

bool eat(std::string_view& s, std::string_view prefix) {
  if (!s.starts_with(prefix)) return false;
  s.remove_prefix(prefix.size());
  return true;
}

std::optional<std::uint32_t> hex4(std::string_view& s) {
  if (s.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    char c = s[static_cast<std::size_t>(i)];
    std::uint32_t digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A' + 10);
    if (digit == 16) return std::nullopt;
    value = value * 16 + digit;
  }
  s.remove_prefix(4);
  return value;
}

void put_utf8(std::string& out, std::uint32_t c) {
  auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0U | (c >> 6U));
  } else {
    if (c < 0x10000) {
      put(0xE0U | (c >> 12U));
    } else {
      put(0xF0U | (c >> 18U));
      put(0x80U | ((c >> 12U) & 0x3FU));
    }
    put(0x80U | ((c >> 6U) & 0x3FU));
  }
  put(0x80U | (c & 0x3FU));
}

bool unicode_escape(std::string_view& s, std::string& out) {
  auto first = hex4(s);
  if (!first) return false;
  if (*first >= 0xDC80 && *first <= 0xDCFF) {  // a byte that was no UTF-8
    out += static_cast<char>(*first & 0xFFU);
    return true;
  }
  if (*first >= 0xD800 && *first <= 0xDBFF) {  // a pair, as other writers make it
    if (!eat(s, "\\u")) return false;
    auto second = hex4(s);
    if (!second || *second < 0xDC00 || *second > 0xDFFF) return false;
    put_utf8(out, 0x10000 + ((*first - 0xD800) << 10U) + (*second - 0xDC00));
    return true;
  }
  put_utf8(out, *first);
  return true;
}

bool escape(std::string_view& s, std::string& out) {
  if (s.empty()) return false;
  char c = s[0];
  s.remove_prefix(1);
  switch (c) {
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case '"':
    case '\\':
    case '/':
      out += c;
      return true;
    case 'u':
      return unicode_escape(s, out);
    default:
      return false;
  }
}

/// Up to and with the closing quote.
bool string_rest(std::string_view& s, std::string& out) {
  for (;;) {
    auto end = s.find_first_of("\"\\");
    if (end == std::string_view::npos) return false;
    out.append(s, 0, end);
    bool over = s[end] == '"';
    s.remove_prefix(end + 1);
    if (over) return true;
    if (!escape(s, out)) return false;
  }
}

}  // namespace

std::optional<LogRecord> parse_log_record(std::string_view line) {
  LogRecord r;
  std::string stream;
  std::string time;
  if (!eat(line, R"({"log":")") || !string_rest(line, r.text)) return std::nullopt;
  if (!eat(line, R"(,"stream":")") || !string_rest(line, stream)) return std::nullopt;
  if (!eat(line, R"(,"time":")") || !string_rest(line, time) || line != "}") return std::nullopt;
  if (stream != "stdout" && stream != "stderr") return std::nullopt;
  r.err = stream == "stderr";
  auto parsed = parse_time(time);
  if (!parsed) return std::nullopt;
  r.time = *parsed;
  return r;
}

}  // namespace servin::shim
