// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <charconv>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

#include "base/error.h"

namespace servin {
namespace {

constexpr std::int64_t second = 1'000'000'000;

Time read_clock(clockid_t clock) {
  timespec ts{};
  ::clock_gettime(clock, &ts);
  return {static_cast<std::int64_t>(ts.tv_sec) * second + ts.tv_nsec};
}

// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant's algorithm).
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
  y -= m <= 2;
  std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  auto yoe = static_cast<unsigned>(y - era * 400);
  unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

bool number(std::string_view& s, std::size_t digits, unsigned& out) {
  if (s.size() < digits) return false;
  auto [end, ec] = std::from_chars(s.data(), s.data() + digits, out);
  if (ec != std::errc() || end != s.data() + digits) return false;
  s.remove_prefix(digits);
  return true;
}
bool eat(std::string_view& s, char c) {
  if (s.empty() || s[0] != c) return false;
  s.remove_prefix(1);
  return true;
}

// ".5" and ".123456789" as nanoseconds; further digits are dropped.
std::int64_t fraction(std::string_view& s) {
  std::int64_t ns = 0;
  std::int64_t unit = second / 10;
  while (!s.empty() && s[0] >= '0' && s[0] <= '9') {
    ns += unit * (s[0] - '0');
    unit /= 10;
    s.remove_prefix(1);
  }
  return ns;
}

std::optional<std::int64_t> offset_seconds(std::string_view& s) {
  if (s.empty() || eat(s, 'Z') || eat(s, 'z')) return 0;
  int sign = eat(s, '+') ? 1 : eat(s, '-') ? -1 : 0;
  unsigned h = 0;
  unsigned m = 0;
  if (sign == 0 || !number(s, 2, h)) return std::nullopt;
  eat(s, ':');
  if (!number(s, 2, m) || h > 23 || m > 59) return std::nullopt;
  return sign * static_cast<std::int64_t>(h * 3600 + m * 60);
}

std::optional<Time> parse_unix(std::string_view s) {
  std::int64_t sec = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), sec);
  if (ec != std::errc() || sec < 0 || sec > 9'000'000'000) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(s.data() + s.size() - end));
  std::int64_t ns = 0;
  if (eat(rest, '.')) ns = fraction(rest);
  if (!rest.empty()) return std::nullopt;
  return Time{sec * second + ns};
}

}  // namespace

Time now() { return read_clock(CLOCK_REALTIME); }
std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC).ns; }

std::string rfc3339(Time t) {
  if (!t.is_set()) return "0001-01-01T00:00:00Z";
  std::time_t sec = t.ns / second;
  std::int64_t ns = t.ns % second;
  if (ns < 0) ns += second, sec -= 1;
  std::tm tm{};
  ::gmtime_r(&sec, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                     tm.tm_hour, tm.tm_min, tm.tm_sec, ns);
}

std::optional<Time> parse_time(std::string_view text) {
  std::string_view s = text;
  unsigned year = 0, month = 0, day = 0, h = 0, m = 0, sec = 0;
  if (!number(s, 4, year) || !eat(s, '-')) return parse_unix(text);
  if (!number(s, 2, month) || !eat(s, '-') || !number(s, 2, day)) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > 31 || year > 2261) return std::nullopt;
  std::int64_t ns = 0;
  if (eat(s, 'T') || eat(s, 't') || eat(s, ' ')) {
    if (!number(s, 2, h) || !eat(s, ':') || !number(s, 2, m)) return std::nullopt;
    if (eat(s, ':') && !number(s, 2, sec)) return std::nullopt;
    if (eat(s, '.')) ns = fraction(s);
    if (h > 23 || m > 59 || sec > 60) return std::nullopt;
  }
  auto offset = offset_seconds(s);
  if (!offset || !s.empty()) return std::nullopt;
  std::int64_t days = days_from_civil(static_cast<std::int64_t>(year), month, day);
  return Time{(days * 86400 + h * 3600 + m * 60 + sec - *offset) * second + ns};
}

Time parse_since(std::string_view text, Time at) {
  // A bare number is seconds since 1970, as docker reads it; a number with a unit is a duration back from now.
  if (auto t = parse_time(text)) return *t;
  try {
    return {at.ns - parse_duration(text)};
  } catch (const Error&) {
    throw error(ErrorCode::invalid_argument, "invalid time \"{}\"", text)
        .with_hint("write a duration such as 10m or a time such as 2026-01-02T15:04:05Z");
  }
}

std::int64_t parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  static constexpr Unit units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},   {"ms", 1e6},
                                   {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  auto bad = [&] {
    return error(ErrorCode::invalid_argument, "invalid duration \"{}\"", text)
        .with_hint("write it as 10s, 500ms or 1h30m");
  };
  std::string_view s = text;
  bool negative = eat(s, '-');
  if (!negative) eat(s, '+');
  if (s.empty()) throw bad();
  double total = 0;
  while (!s.empty()) {
    double value = 0;
    auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), value, std::chars_format::fixed);
    if (ec != std::errc() || value < 0) throw bad();
    s.remove_prefix(static_cast<std::size_t>(end - s.data()));
    if (s.empty()) {  // a bare number is seconds
      total += value * 1e9;
      break;
    }
    const Unit* found = nullptr;
    for (const Unit& u : units)
      if (s.starts_with(u.name) && (!found || u.name.size() > found->name.size())) found = &u;
    if (!found) throw bad();
    total += value * found->ns;
    s.remove_prefix(found->name.size());
  }
  if (!(total < 9.2e18)) throw bad();
  auto ns = static_cast<std::int64_t>(std::llround(total));
  return negative ? -ns : ns;
}

std::string format_duration(std::int64_t ns) {
  if (ns == 0) return "0s";
  std::string sign = ns < 0 ? "-" : "";
  std::uint64_t v = ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  auto decimal = [](std::uint64_t whole, std::uint64_t rest, int digits) {
    std::string frac = fmt::format("{:0{}}", rest, digits);
    while (!frac.empty() && frac.back() == '0') frac.pop_back();
    return frac.empty() ? fmt::format("{}", whole) : fmt::format("{}.{}", whole, frac);
  };
  if (v < 1'000) return fmt::format("{}{}ns", sign, v);
  if (v < 1'000'000) return sign + decimal(v / 1'000, v % 1'000, 3) + "µs";
  if (v < 1'000'000'000) return sign + decimal(v / 1'000'000, v % 1'000'000, 6) + "ms";
  std::uint64_t sec = v / 1'000'000'000;
  std::string out = sign;
  if (sec >= 3600) out += fmt::format("{}h", sec / 3600);
  if (sec >= 60) out += fmt::format("{}m", sec / 60 % 60);
  return out + decimal(sec % 60, v % 1'000'000'000, 9) + "s";
}

std::string human_duration(std::int64_t ns) {
  std::int64_t s = ns / second;
  if (s < 1) return "Less than a second";
  if (s == 1) return "1 second";
  if (s < 60) return fmt::format("{} seconds", s);
  std::int64_t m = s / 60;
  if (m == 1) return "About a minute";
  if (m < 60) return fmt::format("{} minutes", m);
  std::int64_t h = (s + 1800) / 3600;
  if (h == 1) return "About an hour";
  if (h < 48) return fmt::format("{} hours", h);
  if (h < 24 * 7 * 2) return fmt::format("{} days", h / 24);
  if (h < 24 * 30 * 2) return fmt::format("{} weeks", h / 24 / 7);
  if (h < 24 * 365 * 2) return fmt::format("{} months", h / 24 / 30);
  return fmt::format("{} years", h / 24 / 365);
}

}  // namespace servin
