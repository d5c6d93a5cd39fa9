// SPDX-License-Identifier: Apache-2.0
// Tables: docker's look. Between columns stand at least three spaces, a column is at least ten wide, the last one is
// not padded.
#include <algorithm>

#include "base/strings.h"
#include "cli/listing.h"

namespace servin::cli {
namespace {

constexpr std::size_t gap = 3;
constexpr std::size_t min_column = 10;

/// One character of UTF-8 at `at`; broken bytes count as one each.
std::size_t sequence_length(std::string_view text, std::size_t at) {
  auto lead = static_cast<unsigned char>(text[at]);
  std::size_t want = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  std::size_t have = 1;
  while (have < want && at + have < text.size() && (static_cast<unsigned char>(text[at + have]) & 0xc0U) == 0x80)
    ++have;
  return have;
}

char32_t decode(std::string_view bytes) {
  auto lead = static_cast<unsigned char>(bytes[0]);
  if (bytes.size() == 1) return lead;
  char32_t code = lead & (0xffU >> (bytes.size() + 1));
  for (char c : bytes.substr(1)) code = (code << 6U) | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

/// East Asian wide and emoji, in broad ranges; combining marks take no place.
std::size_t width_of(char32_t c) {
  if ((c >= 0x300 && c <= 0x36f) || c == 0x200d || (c >= 0xfe00 && c <= 0xfe0f)) return 0;
  bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
              (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
              (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
  return wide ? 2 : 1;
}

struct Cut {
  std::vector<std::size_t> columns;  // of the fields that are shown, in order
  std::vector<std::size_t> limits;   // 0 = as it is
};

std::size_t widest(const Listing& listing, std::size_t field) {
  std::size_t width = display_width(listing.fields[field].header);
  for (const Row& row : listing.rows) width = std::max(width, display_width(printable(row.values[field])));
  return width;
}

/// How much each shrinkable column must give, in the order that the fields say.
std::vector<std::size_t> shrink(const Listing& listing, const std::vector<std::size_t>& shown, unsigned width) {
  std::vector<std::size_t> limits(shown.size(), 0);
  std::vector<std::size_t> widths;
  std::size_t total = 0;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    std::size_t cell = widest(listing, shown[i]);
    widths.push_back(cell);
    total += i + 1 < shown.size() ? std::max(min_column, cell + gap) : cell;
  }
  for (int turn = 1; turn <= 3 && total > width; ++turn) {
    for (std::size_t i = 0; i < shown.size() && total > width; ++i) {
      if (listing.fields[shown[i]].shrink != turn) continue;
      std::size_t least = std::max(display_width(listing.fields[shown[i]].header), min_column - gap);
      if (widths[i] <= least) continue;
      std::size_t give = std::min(total - width, widths[i] - least);
      limits[i] = widths[i] - give;
      total -= give;
    }
  }
  return limits;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = sequence_length(text, i);
    width += width_of(decode(text.substr(i, length)));
    i += length;
  }
  return width;
}

std::string ellipsis(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::string result;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = sequence_length(text, i);
    std::size_t more = width_of(decode(text.substr(i, length)));
    if (used + more + 1 > width) break;
    result += text.substr(i, length);
    used += more;
    i += length;
  }
  return result + "…";
}

std::string align(const std::vector<std::string>& lines) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::size_t> widths;
  for (const std::string& whole : lines) {
    for (const std::string& line : split(whole, '\n')) {
      rows.push_back(split(line, '\t'));
      const auto& cells = rows.back();
      for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
        if (i == widths.size()) widths.push_back(min_column);
        widths[i] = std::max(widths[i], display_width(cells[i]) + gap);
      }
    }
  }
  std::string text;
  for (const auto& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += cells[i];
      if (i + 1 < cells.size()) text.append(widths[i] - display_width(cells[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string render_table(const Listing& listing, unsigned width) {
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < listing.fields.size(); ++i) {
    if (listing.fields[i].column) shown.push_back(i);
  }
  std::vector<std::size_t> limits(shown.size(), 0);
  if (width > 0) limits = shrink(listing, shown, width);
  std::vector<std::string> lines;
  std::string header;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    header += (i == 0 ? "" : "\t") + std::string(listing.fields[shown[i]].header);
  }
  lines.push_back(std::move(header));
  for (const Row& row : listing.rows) {
    std::string line;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      std::string cell = printable(row.values[shown[i]]);
      if (i > 0) line += '\t';
      line += limits[i] > 0 ? ellipsis(cell, limits[i]) : cell;
    }
    lines.push_back(std::move(line));
  }
  return align(lines);
}

}  // namespace servin::cli
