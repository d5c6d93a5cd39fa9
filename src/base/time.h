// SPDX-License-Identifier: Apache-2.0
// Wall-clock time as nanoseconds since 1970 (UTC), and durations as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace servin {

struct Time {
  std::int64_t ns = 0;  // since 1970-01-01T00:00:00Z; 0 means "never"
  auto operator<=>(const Time&) const = default;
  bool is_set() const { return ns != 0; }
};

Time now();
/// CLOCK_MONOTONIC in nanoseconds: for deadlines, never stored.
std::int64_t monotonic_ns();

/// "2026-11-27T08:00:00.123456789Z"; "0001-01-01T00:00:00Z" for a time that is not set (as docker prints it).
std::string rfc3339(Time t);
/// RFC 3339 with any offset, or a date, or seconds since 1970 with a fraction. Nothing when it is none of these.
std::optional<Time> parse_time(std::string_view text);
/// What --since and --until take: parse_time, or a duration back from now ("10m", "1h30m").
Time parse_since(std::string_view text, Time now);

/// "1h30m", "10s", "500ms", "1.5h"; a bare number is seconds. Throws invalid_argument. In nanoseconds.
std::int64_t parse_duration(std::string_view text);
/// Go's form, as docker prints durations: "1h30m0s", "1.5s", "250ms".
std::string format_duration(std::int64_t ns);
/// Docker's words: "Less than a second", "5 seconds", "About a minute", "2 hours", "3 weeks".
std::string human_duration(std::int64_t ns);

}  // namespace servin
