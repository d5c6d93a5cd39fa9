// SPDX-License-Identifier: Apache-2.0
// What happened, as one line of the event journal (os/journal.h appends it, engine/local reads it back):
//   {"time":NANOSECONDS,"type":"container","action":"start","id":"...","attributes":{"image":"base","name":"web"}}
// The line's beginning occurs nowhere inside of one, so that a reader finds the next whole record behind a torn one.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace servin {

struct EventRecord {
  Time time;
  std::string type;    // container, image, volume, network
  std::string action;  // docker's words: create, start, die, ...
  std::string id;      // container or network id, image id, volume name
  std::map<std::string, std::string> attributes;
};

inline constexpr std::string_view event_line_start = "{\"time\":";

/// The members of the attributes' object, at most `limit` bytes: of many and long labels the last ones are left out.
std::string event_members(const std::map<std::string, std::string>& attributes, std::size_t limit = 16U << 10U);
/// `members`: from event_members(), or several of them with commas between.
std::string event_line(Time time, std::string_view type, std::string_view action, std::string_view id,
                       std::string_view members);
std::string event_line(const EventRecord& event);

}  // namespace servin
