// SPDX-License-Identifier: Apache-2.0
#include "linux/mount_table.h"

#include "base/strings.h"
#include "os/file.h"

namespace servin::kernel {
namespace {

// Space, tab, new line and backslash are written as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view mountinfo) {
  std::vector<MountEntry> table;
  for (const auto& line : split(mountinfo, '\n')) {
    // id parent dev root POINT options [optional...] - TYPE source SUPER
    auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    auto left = split(std::string_view(line).substr(0, dash), ' ');
    auto right = split(std::string_view(line).substr(dash + 3), ' ');
    if (left.size() < 6 || right.size() < 3) continue;
    MountEntry entry{unescape(left[4]), unescape(right[0]), right[2], false, false};
    for (std::size_t i = 6; i < left.size(); ++i) {
      if (left[i].starts_with("shared:")) entry.is_shared = true;
      if (left[i].starts_with("master:")) entry.is_slave = true;
    }
    table.push_back(std::move(entry));
  }
  return table;
}

std::vector<MountEntry> mount_table() {
  return parse_mount_table(read_file("/proc/self/mountinfo", 16U << 20U).value_or(""));
}

}  // namespace servin::kernel
