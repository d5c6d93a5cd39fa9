// SPDX-License-Identifier: Apache-2.0
// stats and update; what brings containers back after a reboot: system start-enabled and the unit that runs it.
#include <array>
#include <ctime>
#include <map>

#include "base/error.h"
#include "base/id.h"
#include "base/paths.h"
#include "base/strings.h"
#include "cli/listing.h"
#include "cli/registry.h"
#include "cli/run_request.h"
#include "cli/targets.h"
#include "os/process.h"

namespace servin::cli {
namespace {

// --- stats

constexpr auto stats_fields = std::to_array<Field>({
    {"ID", "CONTAINER ID", true},
    {"Name", "NAME", true, 1},
    {"CPUPerc", "CPU %", true},
    {"MemUsage", "MEM USAGE / LIMIT", true},
    {"MemPerc", "MEM %", true},
    {"NetIO", "NET I/O", true},
    {"BlockIO", "BLOCK I/O", true},
    {"PIDs", "PIDS", true},
    {"Container", "CONTAINER"},
});

using Samples = std::map<std::string, engine::StatsSample>;

/// Of one processor: two that are busy are 200.
double cpu_percent(const engine::StatsSample& before, const engine::StatsSample& now) {
  if (now.cpu_ns <= before.cpu_ns || now.system_cpu_ns <= before.system_cpu_ns) return 0;
  auto used = static_cast<double>(now.cpu_ns - before.cpu_ns);
  auto all = static_cast<double>(now.system_cpu_ns - before.system_cpu_ns);
  return used / all * static_cast<double>(now.cpus) * 100;
}

Row stats_row(const engine::StatsSample& s, const Samples& before, bool full) {
  std::string id = full ? s.id : std::string(short_id(s.id));
  auto earlier = before.find(s.id);
  bool known = s.running && earlier != before.end() && earlier->second.running;
  double memory = s.memory_limit == 0 ? 0 : static_cast<double>(s.memory) / static_cast<double>(s.memory_limit) * 100;
  Row row;
  if (!s.running) {
    row.values = {id, s.name, "--", "-- / --", "--", "--", "--", "--", s.name};
    return row;
  }
  row.values = {id,
                s.name,
                known ? fmt::format("{:.2f}%", cpu_percent(earlier->second, s)) : "--",
                human_size_binary(s.memory) + " / " + human_size_binary(s.memory_limit),
                fmt::format("{:.2f}%", memory),
                s.own_network ? human_size(s.received_bytes) + " / " + human_size(s.sent_bytes) : "--",
                human_size(s.read_bytes) + " / " + human_size(s.written_bytes),
                fmt::format("{}", s.pids),
                s.name};
  return row;
}

void pause_for(std::int64_t ns) {
  timespec t{ns / 1'000'000'000, ns % 1'000'000'000};
  ::nanosleep(&t, &t);
}

int stats_handler(Context& context, const Parsed& parsed) {
  constexpr std::int64_t second = 1'000'000'000;
  bool all = parsed.flag("all");
  bool once = parsed.flag("no-stream");
  bool full = parsed.flag("no-trunc");
  bool table = parsed.value_or("format", "table").starts_with("table");
  Samples before;
  for (bool first = true;; first = false) {
    auto samples = context.engine().stats(parsed.args, all);
    // A rate needs two looks; the first table comes after a short while all the same.
    if (!first) {
      Listing listing;
      listing.fields.assign(stats_fields.begin(), stats_fields.end());
      for (const auto& s : samples) listing.rows.push_back(stats_row(s, before, full));
      if (!once && table && context.out.is_terminal()) context.out.write("\033[H\033[J");
      print_listing(context, parsed, listing);
      context.out.flush();
      if (once) return 0;
    }
    before.clear();
    for (auto& s : samples) before.insert_or_assign(s.id, std::move(s));
    pause_for(first ? second / 4 : second);
  }
}

constexpr auto stats_options = std::to_array<OptionSpec>({
    {.names = "-a,--all", .value = "", .help = "also those that do not run"},
    {.names = "--no-stream", .value = "", .help = "one look, then end"},
    {.names = "--no-trunc", .value = "", .help = "cut nothing"},
    {.names = "--format", .value = "FORMAT", .help = "table, json, yaml or a template"},
});
constexpr auto stats_examples = std::to_array<Example>({
    {"stats", "a table that is renewed each second"},
    {"stats --no-stream web db", "once, of these two"},
    {"stats --no-stream --format json", "one object a line"},
});

// --- update

int update_handler(Context& context, const Parsed& parsed) {
  engine::UpdateRequest request = update_request(parsed);
  if (request.resources == engine::Resources{} && !request.restart) {
    throw Error(ErrorCode::invalid_argument, "update: nothing to change is given")
        .with_id("E-ARGUMENTS")
        .with_hint("for example servin update --memory 1g NAME");
  }
  return for_each_target(context, parsed.args, true, [&](const std::string& name) {
    for (const std::string& warning : context.engine().update(name, request)) context.note("warning: " + warning);
  });
}

constexpr auto update_options = std::to_array<OptionSpec>({
    {.names = "--restart", .value = "POLICY", .help = "no, on-failure[:RETRIES], always, unless-stopped"},
});
constexpr auto update_examples = std::to_array<Example>(
    {{"update --memory 1g --cpus 2 web", ""}, {"update --restart unless-stopped web db", "of two"}});

// --- system start-enabled, generate systemd, system migrate

int start_enabled_handler(Context& context, const Parsed&) {
  int result = 0;
  for (const auto& started : context.engine().start_enabled()) {
    if (started.error.empty()) {
      context.out.line(started.name);
      continue;
    }
    context.note("container " + started.name + ": " + started.error);
    result = 125;
  }
  return result;
}

constexpr auto start_enabled_examples = std::to_array<Example>(
    {{"system start-enabled", "what `servin generate systemd` lets the system do at its start"}});

/// Quoted for a unit file; % is its own.
std::string unit_word(const std::string& word) {
  std::string text;
  for (char c : word) text += c == '%' ? "%%" : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  bool plain = word.find_first_of(" \t\"\\;'$") == std::string::npos;
  return plain ? text : "\"" + text + "\"";
}

int generate_systemd_handler(Context& context, const Parsed&) {
  Paths paths = default_paths(context.global.root);
  std::string command = unit_word(self_program());
  if (!context.global.root.empty()) command += " --root " + unit_word(paths.root);
  context.out.write(
      fmt::format("# Starts servin's containers that have a restart policy when the system has started.\n"
                  "#   servin generate systemd >/etc/systemd/system/servin.service\n"
                  "#   systemctl daemon-reload && systemctl enable servin.service\n"
                  "[Unit]\n"
                  "Description=Servin containers with a restart policy\n"
                  "Wants=network-online.target\n"
                  "After=network-online.target local-fs.target\n"
                  "RequiresMountsFor={}\n"
                  "\n"
                  "[Service]\n"
                  "Type=oneshot\n"
                  "RemainAfterExit=yes\n"
                  "ExecStart={} system start-enabled\n"
                  "# The containers go on when the unit is stopped or started again; `servin stop` ends them.\n"
                  "KillMode=process\n"
                  "TasksMax=infinity\n"
                  "LimitNOFILE=1048576\n"
                  "\n"
                  "[Install]\n"
                  "WantedBy=multi-user.target\n",
                  unit_word(paths.root), command));
  return 0;
}

constexpr auto generate_examples =
    std::to_array<Example>({{"generate systemd", "for /etc/systemd/system/servin.service"}});

int migrate_handler(Context& context, const Parsed&) {
  for (const auto& m : context.engine().migrate()) {
    context.out.line(m.from == m.to ? fmt::format("{}: version {}, nothing to do", m.file, m.to)
                                    : fmt::format("{}: version {} became {}", m.file, m.from, m.to));
  }
  return 0;
}
constexpr auto migrate_examples =
    std::to_array<Example>({{"system migrate", "after an upgrade, before the first use"}});

const CommandSpec table[] = {
    {.name = "stats",
     .group = group::containers,
     .arguments = "[CONTAINER...]",
     .summary = "what containers use, live",
     .text = "Processor time (100% is one processor), memory without the page cache that can be had back at once, "
             "network, disk, and the number of processes and threads.",
     .options = stats_options,
     .max_args = -1,
     .complete = Complete::running,
     .examples = stats_examples,
     .fields = stats_fields,
     .handler = stats_handler},
    {.name = "update",
     .group = group::containers,
     .arguments = "CONTAINER...",
     .summary = "change limits and the restart policy",
     .text = "Of running containers at once, of others from their next start. What is not named stays as it is.",
     .options = limit_options(),
     .more_options = update_options,
     .min_args = 1,
     .max_args = -1,
     .complete = Complete::container,
     .examples = update_examples,
     .handler = update_handler},
    {.name = "system start-enabled",
     .group = group::engine,
     .summary = "start what has a restart policy",
     .text =
         "For the start of the system: starts the containers whose restart policy wants them to run. always: all of "
         "them; unless-stopped: those that nobody stopped; on-failure: those that failed. Prints their names.",
     .examples = start_enabled_examples,
     .handler = start_enabled_handler},
    {.name = "system migrate",
     .group = group::engine,
     .summary = "bring the databases to this version",
     .text = "Every command does so when it first opens them; this one says what it did. A database that a newer "
             "servin wrote is refused and left as it is.",
     .examples = migrate_examples,
     .handler = migrate_handler},
    {.name = "generate systemd",
     .group = group::engine,
     .summary = "print a systemd unit for the start of the system",
     .examples = generate_examples,
     .handler = generate_systemd_handler},
};

}  // namespace

std::span<const CommandSpec> life_commands() { return table; }

}  // namespace servin::cli
