// SPDX-License-Identifier: Apache-2.0
#include "base/event.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace servin {
namespace {

// Labels may hold any bytes; JSON has no form for those that are not UTF-8.
std::string json_text(std::string_view text) {
  if (valid_utf8(text)) return quoted(text);
  std::string ascii;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80)
      ascii += c;
    else
      ascii += fmt::format("\\x{:02x}", byte);
  }
  return quoted(ascii);
}

}  // namespace

std::string event_members(const std::map<std::string, std::string>& attributes, std::size_t limit) {
  std::string members;
  for (const auto& [key, value] : attributes) {
    std::string member = json_text(key) + ":" + json_text(value);
    if (members.size() + member.size() + 1 > limit) continue;
    if (!members.empty()) members += ',';
    members += member;
  }
  return members;
}

std::string event_line(Time time, std::string_view type, std::string_view action, std::string_view id,
                       std::string_view members) {
  return fmt::format(R"({}{},"type":{},"action":{},"id":{},"attributes":{{{}}}}})"
                     "\n",
                     event_line_start, time.ns, json_text(type), json_text(action), json_text(id), members);
}

std::string event_line(const EventRecord& e) {
  return event_line(e.time, e.type, e.action, e.id, event_members(e.attributes));
}

}  // namespace servin
