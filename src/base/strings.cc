// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace servin {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (;;) {
    auto i = text.find(at);
    parts.emplace_back(text.substr(0, i));
    if (i == std::string_view::npos) return parts;
    text.remove_prefix(i + 1);
  }
}

std::optional<std::pair<std::string, std::string>> split_once(std::string_view text, char at) {
  auto i = text.find(at);
  if (i == std::string_view::npos) return std::nullopt;
  return std::pair{std::string(text.substr(0, i)), std::string(text.substr(i + 1))};
}

std::string join(std::span<const std::string> parts, std::string_view glue) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += glue;
    out += parts[i];
  }
  return out;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\v\f";
  auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

namespace {
template <typename T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}
}  // namespace

std::optional<std::uint64_t> parse_u64(std::string_view text) { return parse_whole<std::uint64_t>(text); }
std::optional<std::int64_t> parse_i64(std::string_view text) { return parse_whole<std::int64_t>(text); }

std::uint64_t parse_size(std::string_view text) {
  auto bad = [&] {
    return error(ErrorCode::invalid_argument, "invalid size \"{}\"", text)
        .with_hint("write it as 512m, 1g or a number of bytes");
  };
  double value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (ec != std::errc() || value < 0) throw bad();
  std::string unit = lower(trim(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end))));
  static constexpr std::string_view letters = "kmgtp";
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    auto at = letters.find(unit[0]);
    std::string_view rest = std::string_view(unit).substr(1);
    if (at == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) throw bad();
    factor = std::pow(1024.0, static_cast<double>(at + 1));
  }
  double bytes = value * factor;
  if (bytes >= 9.2e18) throw bad();
  return static_cast<std::uint64_t>(bytes);
}

namespace {
std::string human(std::uint64_t bytes, double base, std::span<const std::string_view> units) {
  auto value = static_cast<double>(bytes);
  std::size_t i = 0;
  while (value >= base && i + 1 < units.size()) value /= base, ++i;
  return fmt::format("{:.4g}{}", value, units[i]);
}
}  // namespace

std::string human_size(std::uint64_t bytes) {
  static constexpr std::string_view units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  // Docker prints three digits for images and containers: 1.23GB, 77.8MB.
  auto value = static_cast<double>(bytes);
  std::size_t i = 0;
  while (value >= 1000.0 && i + 1 < std::size(units)) value /= 1000.0, ++i;
  return fmt::format("{:.3g}{}", value, units[i]);
}
std::string human_size_binary(std::uint64_t bytes) {
  static constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return human(bytes, 1024.0, units);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({previous[j] + 1, row[j - 1] + 1, previous[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = previous;
    previous = row;
  }
  return previous[b.size()];
}

/// Is `word` only `k` with one letter typed twice?
static bool is_doubled(std::string_view word, std::string_view k) {
  if (word.size() != k.size() + 1) return false;
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (word[i] == word[i - 1] && word.substr(0, i) == k.substr(0, i) && word.substr(i + 1) == k.substr(i)) return true;
  }
  return false;
}

std::vector<std::string> did_you_mean(std::string_view word, std::span<const std::string> known) {
  // Short words are near to everything: one edit for up to six letters, two for longer ones. Dashes do not count.
  std::size_t dashes = std::min(word.find_first_not_of('-'), word.size());
  std::size_t letters = word.size() - dashes;
  std::size_t limit = letters <= 2 ? 0 : letters <= 6 ? 1 : 2;
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const auto& k : known) {
    if (k == word) continue;
    std::size_t d = edit_distance(lower(word), lower(k));
    bool prefix = letters >= 3 && k.starts_with(word);
    bool swapped = letters == 2 && k.size() == word.size() && d == 1 && k[dashes] == word[dashes + 1] &&
                   k[dashes + 1] == word[dashes];
    if (d > limit && !prefix && !swapped) continue;
    // Between equals: people rarely miss the first letter, and "delte" is rather a word of its own letters.
    std::size_t rank = (prefix && d > limit ? limit + 1 : d) * 4;
    if (dashes < k.size() && letters > 0 && k[dashes] != word[dashes]) rank += 2;
    if (k.size() < word.size() && d == 1 && !is_doubled(word, k)) rank += 1;
    found.emplace_back(rank, k);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> out;
  for (auto& f : found)
    if (out.size() < 3 && std::find(out.begin(), out.end(), f.second) == out.end()) out.push_back(f.second);
  return out;
}

std::string did_you_mean_hint(std::string_view word, std::span<const std::string> known) {
  auto found = did_you_mean(word, known);
  if (found.empty()) return {};
  std::string out = "did you mean ";
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i != 0) out += " or ";
    out += fmt::format("\"{}\"", found[i]);
  }
  return out + "?";
}

std::string printable(std::string_view text, bool keep_newlines) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    bool keep = keep_newlines && (c == '\n' || c == '\t');
    // C1 controls are U+0080..U+009F: 0xC2 0x80..0x9F in UTF-8.
    bool c1 = c == 0xC2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xE0U) == 0x80;
    if ((c < 0x20 && !keep) || c == 0x7F) {
      out += fmt::format("\\x{:02x}", c);
    } else if (c1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char ch : text) {
    auto c = static_cast<unsigned char>(ch);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (c < 0x20)
          out += fmt::format("\\u{:04x}", c);
        else
          out += ch;
    }
  }
  return out + "\"";
}

bool valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    auto c = static_cast<unsigned char>(text[i]);
    std::size_t more = c < 0x80                  ? 0
                       : (c >= 0xC2 && c < 0xE0) ? 1
                       : (c >= 0xE0 && c < 0xF0) ? 2
                       : (c >= 0xF0 && c < 0xF5) ? 3
                                                 : 9;
    if (more == 9 || i + more >= text.size()) return false;
    for (std::size_t k = 1; k <= more; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80) return false;
    auto second = more > 0 ? static_cast<unsigned char>(text[i + 1]) : 0;
    // Overlong forms, surrogates and what lies beyond U+10FFFF.
    if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) ||
        (c == 0xF4 && second > 0x8F))
      return false;
    i += more + 1;
  }
  return true;
}

}  // namespace servin
