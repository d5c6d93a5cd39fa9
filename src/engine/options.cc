// SPDX-License-Identifier: Apache-2.0
#include "engine/options.h"

#include <algorithm>
#include <array>
#include <csignal>

#include "engine/option_error.h"

namespace servin::engine {
namespace {

using detail::bad_value;

struct SignalName {
  std::string_view name;
  int number;
};
constexpr std::array<SignalName, 34> signals = {{
    {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"BUS", SIGBUS},     {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},   {"PIPE", SIGPIPE},     {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},   {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},     {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"IO", SIGIO},         {"PWR", SIGPWR},   {"SYS", SIGSYS},
    {"POLL", SIGPOLL}, {"IOT", SIGIOT},     {"STKFLT", SIGSTKFLT}, {"CLD", SIGCHLD},
}};
// As the kernel counts: the C library keeps the first two for itself, but containers may use them.
constexpr int real_time_first = 34;
constexpr int signal_last = 64;

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

// RTMIN, RTMIN+3, RTMAX-2; 0 for anything else.
int real_time_signal(std::string_view name) {
  int base = name.starts_with("RTMIN") ? real_time_first : name.starts_with("RTMAX") ? signal_last : 0;
  if (base == 0) return 0;
  name.remove_prefix(5);
  if (name.empty()) return base;
  auto offset = parse_u64(name.substr(1));
  if (!offset || *offset > 30 || name[0] != (base == signal_last ? '-' : '+')) return 0;
  int n = static_cast<int>(*offset);
  return base == signal_last ? base - n : base + n;
}

Error bad_signal(std::string_view text) {
  std::vector<std::string> known;
  for (const auto& s : signals) known.push_back("SIG" + std::string(s.name));
  std::string word = upper(text);
  if (!word.starts_with("SIG")) word = "SIG" + word;
  std::string hint = did_you_mean_hint(word, known);
  return error(ErrorCode::invalid_argument, "invalid signal: {}", printable(text))
      .with_id("E-OPTION-VALUE")
      .with_hint(hint.empty() ? "give a name such as SIGTERM, or a number from 1 to 64" : hint);
}

bool is_device_mode(std::string_view text) {
  return !text.empty() && text.size() <= 3 && text.find_first_not_of("rwm") == std::string_view::npos;
}

constexpr std::array<std::string_view, 15> ulimit_names = {"core",    "cpu",      "data",   "fsize",      "locks",
                                                           "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                           "rss",     "rtprio",   "rttime", "sigpending", "stack"};

std::int64_t parse_limit(std::string_view text, std::string_view whole) {
  if (text == "unlimited") return -1;
  auto value = parse_i64(text);
  if (!value || *value < -1)
    throw bad_value(whole, "a limit is a number, or -1 for unlimited")
        .with_hint("write it as name=soft[:hard], for example nofile=1024:4096");
  return *value;
}

}  // namespace

int parse_signal(std::string_view text) {
  if (auto number = parse_u64(text)) {
    if (*number >= 1 && *number <= signal_last) return static_cast<int>(*number);
    throw bad_signal(text);
  }
  std::string name = upper(text);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (const auto& s : signals)
    if (s.name == name) return s.number;
  int number = real_time_signal(name);
  if (number < real_time_first || number > signal_last) throw bad_signal(text);
  return number;
}

std::string signal_name(int number) {
  for (const auto& s : signals)
    if (s.number == number) return "SIG" + std::string(s.name);
  if (number == real_time_first) return "SIGRTMIN";
  if (number > real_time_first && number <= signal_last) return fmt::format("SIGRTMIN+{}", number - real_time_first);
  return fmt::format("{}", number);
}

DeviceSpec parse_device(std::string_view text) {
  auto form = [&](std::string_view why) {
    return bad_value(text, why).with_hint("write it as HOST[:CONTAINER[:rwm]], for example /dev/fuse");
  };
  auto parts = split(text, ':');
  if (parts.size() > 3 || parts[0].empty()) throw form("not a device");
  if (parts[0][0] != '/') {
    if (parts[0].find('=') != std::string::npos)
      throw error(ErrorCode::unsupported, "device {}: CDI devices are not built yet", quoted(text))
          .with_id("E-NOT-BUILT")
          .with_hint("give the device's path, for example --device /dev/fuse");
    throw form("the device's path is not absolute");
  }
  DeviceSpec device;
  device.host_path = detail::clean_path(parts[0]);
  device.container_path = device.host_path;
  if (parts.size() == 3) {
    if (!is_device_mode(parts[2])) throw form("permissions are made of r, w and m");
    device.permissions = parts[2];
  } else if (parts.size() == 2 && is_device_mode(parts[1])) {
    device.permissions = parts[1];
    return device;
  }
  if (parts.size() >= 2) {
    if (parts[1].empty() || parts[1][0] != '/') throw form("the path in the container is not absolute");
    device.container_path = detail::clean_path(parts[1]);
  }
  return device;
}

Ulimit parse_ulimit(std::string_view text) {
  auto parts = split_once(text, '=');
  if (!parts)
    throw bad_value(text, "no limit given").with_hint("write it as name=soft[:hard], for example nofile=1024:4096");
  Ulimit limit;
  limit.name = lower(parts->first);
  bool known = false;
  std::vector<std::string> names;
  for (auto name : ulimit_names) {
    known |= name == limit.name;
    names.emplace_back(name);
  }
  if (!known) {
    std::string hint = did_you_mean_hint(limit.name, names);
    throw bad_value(text, "unknown limit " + quoted(parts->first))
        .with_id("E-ULIMIT-UNKNOWN")
        .with_hint(hint.empty() ? "known limits: " + join(names, " ") : hint);
  }
  auto values = split(parts->second, ':');
  if (values.size() > 2) throw bad_value(text, "at most a soft and a hard limit");
  limit.soft = parse_limit(values[0], text);
  limit.hard = values.size() == 2 ? parse_limit(values[1], text) : limit.soft;
  bool above = limit.hard >= 0 && (limit.soft < 0 || limit.soft > limit.hard);
  if (above) throw bad_value(text, "the soft limit is above the hard limit");
  return limit;
}

int parse_syslog_facility(std::string_view text) {
  static const std::vector<std::string> names = {"kern",   "user",     "mail",    "daemon", "auth",     "syslog",
                                                 "lpr",    "news",     "uucp",    "cron",   "authpriv", "ftp",
                                                 "ntp",    "security", "console", "clock",  "local0",   "local1",
                                                 "local2", "local3",   "local4",  "local5", "local6",   "local7"};
  if (text.empty()) return 3;
  auto found = std::find(names.begin(), names.end(), text);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  if (auto number = parse_u64(text); number && *number < names.size()) return static_cast<int>(*number);
  std::string hint = did_you_mean_hint(std::string(text), names);
  throw bad_value(text, "no such syslog facility").with_hint(hint.empty() ? "for example daemon or local0" : hint);
}

RestartRule parse_restart(std::string_view text) {
  static const std::vector<std::string> known = {"no", "on-failure", "always", "unless-stopped"};
  auto pair = split_once(text, ':');
  RestartRule rule;
  rule.policy = pair ? pair->first : std::string(text);
  if (std::find(known.begin(), known.end(), rule.policy) == known.end()) {
    std::string hint = did_you_mean_hint(rule.policy, known);
    throw bad_value(text, "no such restart policy")
        .with_hint(hint.empty() ? "no, on-failure[:RETRIES], always or unless-stopped" : hint);
  }
  if (pair) {
    auto retries = parse_u64(pair->second);
    if (rule.policy != "on-failure" || !retries || *retries > INT32_MAX)
      throw bad_value(text, "only on-failure takes a number of retries").with_hint("for example on-failure:3");
    rule.retries = static_cast<std::int64_t>(*retries);
  }
  if (rule.policy == "no") rule.policy.clear();
  return rule;
}

std::int64_t parse_cpus(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return bad_value(text, why).with_hint("give a number of CPUs, for example 1.5");
  };
  auto dot = text.find('.');
  std::string_view whole = text.substr(0, dot);
  std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  if (whole.empty() && fraction.empty()) throw bad("not a number");
  if (fraction.size() > 9) throw bad("too precise: at most nine digits after the point");
  fraction.resize(9, '0');
  auto units = whole.empty() ? std::optional<std::uint64_t>(0) : parse_u64(whole);
  auto rest = parse_u64(fraction);
  if (!units || !rest) throw bad("not a number");
  if (*units > 1'000'000) throw bad("too many");
  return static_cast<std::int64_t>(*units * 1'000'000'000 + *rest);
}

}  // namespace servin::engine
