// SPDX-License-Identifier: Apache-2.0
// top: the container's processes from the host's /proc. Nothing of the container is executed, no ps of the host is
// needed.
#include <ctime>
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/local.h"

namespace servin::engine {
namespace {

struct ProcessInfo {
  std::string uid, pid, ppid, cpu, start, tty, time, command, name, state, rss, vsz, nice;
  std::uint64_t threads = 0;
};

std::string clock_text(std::uint64_t seconds) {
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

// "Nov27" for one of another day, else "08:15".
std::string start_text(std::int64_t epoch) {
  std::time_t at = epoch;
  std::time_t today = std::time(nullptr);
  std::tm start{};
  std::tm day{};
  ::localtime_r(&at, &start);
  ::localtime_r(&today, &day);
  char text[32];
  bool same_day = start.tm_yday == day.tm_yday && start.tm_year == day.tm_year;
  std::strftime(text, sizeof text, same_day ? "%H:%M" : "%b%d", &start);
  return text;
}

std::string tty_text(std::uint64_t device) {
  if (device == 0) return "?";
  std::uint64_t major = (device >> 8U) & 0xfffU;
  std::uint64_t minor = (device & 0xffU) | ((device >> 12U) & 0xfff00U);
  return major >= 136 && major <= 143 ? fmt::format("pts/{}", minor + (major - 136) * 256) : "?";
}

// Field `key:` of /proc/PID/status.
std::string status_field(const std::string& status, std::string_view key) {
  for (const auto& line : split(status, '\n')) {
    if (!line.starts_with(key)) continue;
    return std::string(trim(std::string_view(line).substr(key.size())));
  }
  return "";
}

std::optional<ProcessInfo> read_process(pid_t pid) {
  std::string dir = fmt::format("/proc/{}", pid);
  auto stat = read_file(dir + "/stat", 4096);
  auto status = read_file(dir + "/status", 16384);
  if (!stat || !status) return std::nullopt;
  // The name in parentheses may hold anything: the fields begin after the last one.
  auto close = stat->rfind(')');
  auto open = stat->find('(');
  if (close == std::string::npos || open == std::string::npos || close + 2 > stat->size()) return std::nullopt;
  auto f = split(trim(std::string_view(*stat).substr(close + 2)), ' ');
  if (f.size() < 22) return std::nullopt;
  auto number = [&](std::size_t i) { return parse_u64(f[i]).value_or(0); };
  auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  ProcessInfo p;
  std::string uid = status_field(*status, "Uid:");
  uid = uid.substr(0, uid.find('\t'));
  p.uid = uid == "0" ? "root" : uid;
  p.pid = std::to_string(pid);
  p.state = f[0];
  p.ppid = f[1];
  p.tty = tty_text(number(4));
  std::uint64_t used = (number(11) + number(12)) / ticks;
  p.time = clock_text(used);
  p.nice = f[16];
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  std::int64_t age = up.tv_sec - static_cast<std::int64_t>(number(19) / ticks);
  p.start = start_text(std::time(nullptr) - age);
  p.cpu = std::to_string(age > 0 ? used * 100 / static_cast<std::uint64_t>(age) : 0);
  p.vsz = std::to_string(number(20) / 1024);
  p.rss = std::to_string(number(21) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024);
  p.name = stat->substr(open + 1, close - open - 1);
  p.command = read_file(dir + "/cmdline", 1U << 20U).value_or("");
  while (!p.command.empty() && p.command.back() == '\0') p.command.pop_back();
  for (char& c : p.command)
    if (c == '\0') c = ' ';
  if (p.command.empty()) p.command = "[" + p.name + "]";
  return p;
}

struct Column {
  std::string_view word, title;
  std::string ProcessInfo::* field;
};
const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      {"user", "USER", &ProcessInfo::uid},
      {"uid", "UID", &ProcessInfo::uid},
      {"pid", "PID", &ProcessInfo::pid},
      {"ppid", "PPID", &ProcessInfo::ppid},
      {"c", "C", &ProcessInfo::cpu},
      {"pcpu", "%CPU", &ProcessInfo::cpu},
      {"stime", "STIME", &ProcessInfo::start},
      {"start", "START", &ProcessInfo::start},
      {"tty", "TTY", &ProcessInfo::tty},
      {"tt", "TT", &ProcessInfo::tty},
      {"time", "TIME", &ProcessInfo::time},
      {"cmd", "CMD", &ProcessInfo::command},
      {"args", "COMMAND", &ProcessInfo::command},
      {"command", "COMMAND", &ProcessInfo::command},
      {"comm", "COMMAND", &ProcessInfo::name},
      {"stat", "STAT", &ProcessInfo::state},
      {"s", "S", &ProcessInfo::state},
      {"rss", "RSS", &ProcessInfo::rss},
      {"vsz", "VSZ", &ProcessInfo::vsz},
      {"ni", "NI", &ProcessInfo::nice},
      {"nice", "NI", &ProcessInfo::nice},
  };
  return all;
}

std::vector<const Column*> choose(const std::string& list) {
  std::vector<const Column*> chosen;
  std::vector<std::string> known;
  for (const auto& c : columns()) known.emplace_back(c.word);
  for (const auto& word : split(list, ',')) {
    const Column* found = nullptr;
    for (const auto& c : columns())
      if (c.word == lower(trim(word))) found = &c;
    if (found == nullptr) {
      std::string hint = did_you_mean_hint(word, known);
      throw error(ErrorCode::unsupported, "top cannot show {}", quoted(word))
          .with_id("E-OPTION-VALUE")
          .with_hint(hint.empty() ? "known columns: " + join(known, " ") : hint);
    }
    chosen.push_back(found);
  }
  return chosen;
}

std::vector<const Column*> parse_ps_args(const std::string& args) {
  std::string_view text = trim(args);
  if (text.empty() || text == "-ef") return choose("uid,pid,ppid,c,stime,tty,time,cmd");
  if (text == "aux" || text == "-aux") return choose("user,pid,pcpu,vsz,rss,tty,stat,start,time,command");
  for (std::string_view prefix : {"-eo", "-o", "o"})
    if (text.starts_with(prefix)) return choose(std::string(trim(text.substr(prefix.size()))));
  throw error(ErrorCode::unsupported, "top does not know the options {}", quoted(text))
      .with_id("E-OPTION-VALUE")
      .with_hint("-ef, aux, or -o with columns: -o pid,user,cmd");
}

}  // namespace

TopResult LocalEngine::top(const std::string& text, const std::string& ps_args) {
  auto chosen = parse_ps_args(ps_args);
  Row row = find(text);
  Status status = observe(row).status;
  if (status != Status::running && status != Status::paused)
    throw error(ErrorCode::conflict, "container {} is not running", row.name)
        .with_id("E-NOT-RUNNING")
        .with_hint("servin start " + row.name);
  TopResult result;
  for (const Column* column : chosen) result.titles.emplace_back(column->title);
  for (pid_t pid : runtime_for(isolation_of(row)).processes(read_plan(row.id))) {
    auto process = read_process(pid);
    if (!process) continue;  // it has just ended
    std::vector<std::string> cells;
    for (const Column* column : chosen) cells.push_back((*process).*(column->field));
    result.rows.push_back(std::move(cells));
  }
  return result;
}

}  // namespace servin::engine
