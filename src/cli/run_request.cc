// SPDX-License-Identifier: Apache-2.0
#include "cli/run_request.h"

#include <array>
#include <cstdlib>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"
#include "engine/options.h"
#include "os/file.h"

namespace servin::cli {
namespace {

Error bad_value(std::string_view option, std::string_view value, std::string_view why, std::string hint) {
  return error(ErrorCode::invalid_argument, "--{} {}: {}", option, value, why)
      .with_id("E-OPTION-VALUE")
      .with_hint(std::move(hint));
}

/// Errors of the value parsers name the option too.
template <typename F>
auto with_option(std::string_view option, F&& parse_value) {
  try {
    return parse_value();
  } catch (Error& e) {
    if (e.id().empty()) e.with_id("E-OPTION-VALUE");
    throw e.context(fmt::format("--{}", option));
  }
}

std::int64_t number(std::string_view option, const std::string& text, std::int64_t low, std::int64_t high) {
  auto value = parse_i64(text);
  if (!value || *value < low || *value > high) {
    throw bad_value(option, text, "not a number that fits", fmt::format("{} to {}", low, high));
  }
  return *value;
}

constexpr std::int64_t any = INT64_MAX;

std::uint64_t size(const Parsed& parsed, std::string_view option) {
  auto text = parsed.value(option);
  if (!text) return 0;
  return with_option(option, [&] { return parse_size(*text); });
}

void put_pair(std::map<std::string, std::string>& into, std::string_view option, const std::string& text,
              bool value_needed) {
  auto pair = split_once(text, '=');
  std::string key = pair ? pair->first : text;
  if (key.empty() || (value_needed && !pair)) {
    throw bad_value(option, text, "not of the form NAME=VALUE", fmt::format("for example --{} name=value", option));
  }
  into[key] = pair ? pair->second : std::string();
}

std::map<std::string, std::string> pairs(const Parsed& parsed, std::string_view option, bool value_needed) {
  std::map<std::string, std::string> result;
  for (const std::string& text : parsed.all(option)) put_pair(result, option, text, value_needed);
  return result;
}

/// NAME alone takes the caller's value; without one there it is left out, as docker does.
void add_variable(std::vector<std::string>& env, const std::string& text, const Surroundings& around) {
  if (text.empty() || text[0] == '=') {
    throw bad_value("env", text, "a variable needs a name", "for example --env NAME=value");
  }
  if (text.find('=') != std::string::npos) return env.push_back(text);
  if (auto value = around.variable(text)) env.push_back(text + "=" + *value);
}

/// Files first, so that --env wins, whatever the order of the words.
std::vector<std::string> environment(const Parsed& parsed, const Surroundings& around) {
  std::vector<std::string> env;
  for (const std::string& path : parsed.all("env-file")) {
    for (std::string& line : read_assignments(path, around, true)) env.push_back(std::move(line));
  }
  for (const std::string& text : parsed.all("env")) add_variable(env, text, around);
  return env;
}

void put_identity(const Parsed& parsed, const Surroundings& around, engine::CreateRequest& create) {
  create.name = parsed.value_or("name", "");
  if (parsed.has("name") && create.name.empty()) {
    throw bad_value("name", "\"\"", "a name cannot be empty", "leave --name out for a random one");
  }
  create.platform = parsed.value_or("platform", "");
  for (const std::string& path : parsed.all("label-file")) {
    for (const std::string& line : read_assignments(path, around, false)) put_pair(create.labels, "label", line, false);
  }
  for (auto& [key, value] : pairs(parsed, "label", false)) create.labels[key] = value;
  create.annotations = pairs(parsed, "annotation", true);
  create.auto_remove = parsed.flag("rm");
}

void put_process(const Parsed& parsed, const Surroundings& around, engine::CreateRequest& create) {
  create.env = environment(parsed, around);
  create.working_dir = parsed.value_or("workdir", "");
  create.user = parsed.value_or("user", "");
  create.groups = parsed.all("group-add");
  if (auto entrypoint = parsed.value("entrypoint")) create.entrypoint = std::vector<std::string>{*entrypoint};
  create.tty = parsed.flag("tty");
  create.open_stdin = parsed.flag("interactive");
  create.init = parsed.flag("init");
  if (auto signal = parsed.value("stop-signal")) {
    with_option("stop-signal", [&] { return engine::parse_signal(*signal); });
    create.stop_signal = *signal;
  }
  if (auto text = parsed.value("stop-timeout")) {
    create.stop_timeout = static_cast<int>(number("stop-timeout", *text, -1, INT32_MAX));
  }
}

void put_files(const Parsed& parsed, const Surroundings& around, engine::CreateRequest& create) {
  for (const std::string& text : parsed.all("volume")) {
    create.mounts.push_back(with_option("volume", [&] { return engine::parse_volume(text, around.cwd, around.home); }));
  }
  for (const std::string& text : parsed.all("mount")) {
    create.mounts.push_back(with_option("mount", [&] { return engine::parse_mount(text, around.cwd, around.home); }));
  }
  for (const std::string& text : parsed.all("tmpfs")) {
    create.mounts.push_back(with_option("tmpfs", [&] { return engine::parse_tmpfs(text); }));
  }
  create.volumes_from = parsed.all("volumes-from");
  create.read_only = parsed.flag("read-only");
  if (parsed.has("shm-size")) create.shm_size = size(parsed, "shm-size");
  for (const std::string& text : parsed.all("device")) {
    create.devices.push_back(with_option("device", [&] { return engine::parse_device(text); }));
  }
  create.device_cgroup_rules = parsed.all("device-cgroup-rule");
}

void put_network(const Parsed& parsed, engine::CreateRequest& create) {
  std::vector<std::string> networks = parsed.all("network");
  if (!networks.empty()) {
    create.network = networks.front();
    create.more_networks.assign(networks.begin() + 1, networks.end());
  } else {
    create.network.clear();  // what it is depends on the isolation
  }
  create.ip = parsed.value_or("ip", "");
  create.ip6 = parsed.value_or("ip6", "");
  create.mac = parsed.value_or("mac-address", "");
  create.network_aliases = parsed.all("network-alias");
  create.publish = parsed.all("publish");
  create.publish_all = parsed.flag("publish-all");
  create.expose = parsed.all("expose");
  create.hostname = parsed.value_or("hostname", "");
  create.domainname = parsed.value_or("domainname", "");
  create.extra_hosts = parsed.all("add-host");
  create.dns = parsed.all("dns");
  create.dns_search = parsed.all("dns-search");
  create.dns_options = parsed.all("dns-option");
}

void put_memory(const Parsed& parsed, engine::Resources& to) {
  to.memory = size(parsed, "memory");
  to.memory_reservation = size(parsed, "memory-reservation");
  if (parsed.value_or("memory-swap", "") == "-1") {
    to.memory_swap = -1;
  } else {
    to.memory_swap = static_cast<std::int64_t>(size(parsed, "memory-swap"));
  }
  to.oom_kill_disable = parsed.flag("oom-kill-disable");
}

void put_cpu(const Parsed& parsed, engine::Resources& to) {
  if (auto text = parsed.value("cpus")) to.nano_cpus = with_option("cpus", [&] { return engine::parse_cpus(*text); });
  if (auto text = parsed.value("cpu-shares")) {
    to.cpu_shares = static_cast<std::uint64_t>(number("cpu-shares", *text, 0, any));
  }
  if (auto text = parsed.value("cpu-quota")) to.cpu_quota = number("cpu-quota", *text, -1, any);
  if (auto text = parsed.value("cpu-period")) {
    to.cpu_period = static_cast<std::uint64_t>(number("cpu-period", *text, 0, any));
  }
  to.cpuset_cpus = parsed.value_or("cpuset-cpus", "");
  to.cpuset_mems = parsed.value_or("cpuset-mems", "");
}

void put_limits(const Parsed& parsed, engine::CreateRequest& create) {
  put_memory(parsed, create.resources);
  put_cpu(parsed, create.resources);
  if (auto text = parsed.value("pids-limit")) {
    // docker's 0 is "no limit" too; in the request 0 is the engine's default.
    std::int64_t limit = number("pids-limit", *text, -1, any);
    create.resources.pids_limit = limit == 0 ? -1 : limit;
  }
  if (auto text = parsed.value("blkio-weight")) {
    create.resources.blkio_weight = static_cast<std::uint16_t>(number("blkio-weight", *text, 0, 1000));
  }
  for (const std::string& text : parsed.all("ulimit")) {
    create.ulimits.push_back(with_option("ulimit", [&] { return engine::parse_ulimit(text); }));
  }
  if (auto text = parsed.value("oom-score-adj")) {
    create.oom_score_adj = static_cast<int>(number("oom-score-adj", *text, -1000, 1000));
  }
  create.cgroup_parent = parsed.value_or("cgroup-parent", "");
}

void put_rights(const Parsed& parsed, engine::CreateRequest& create) {
  create.cap_add = parsed.all("cap-add");
  create.cap_drop = parsed.all("cap-drop");
  create.privileged = parsed.flag("privileged");
  create.security_opt = parsed.all("security-opt");
  create.sysctls = pairs(parsed, "sysctl", true);
  create.pid_mode = parsed.value_or("pid", "");
  create.ipc_mode = parsed.value_or("ipc", "");
  create.uts_mode = parsed.value_or("uts", "");
  create.cgroupns_mode = parsed.value_or("cgroupns", "");
  create.userns_mode = parsed.value_or("userns", "");
  if (!create.userns_mode.empty() && create.userns_mode != "host") {
    throw error(ErrorCode::unsupported, "--userns {}: user namespaces are not built yet", create.userns_mode)
        .with_id("E-NOT-BUILT")
        .with_hint("leave --userns out");
  }
}

void put_logs(const Parsed& parsed, engine::CreateRequest& create) {
  create.log_driver = parsed.value_or("log-driver", "json-file");
  create.log_options = pairs(parsed, "log-opt", true);
}

std::int64_t duration(const Parsed& parsed, std::string_view option) {
  auto text = parsed.value(option);
  return text ? with_option(option, [&] { return parse_duration(*text); }) : 0;
}

void put_health(const Parsed& parsed, oci::HealthCheck& health) {
  static constexpr std::string_view options[] = {"health-cmd",     "health-interval",     "health-timeout",
                                                 "health-retries", "health-start-period", "health-start-interval"};
  if (parsed.flag("no-healthcheck")) {
    for (std::string_view option : options) {
      if (!parsed.has(option)) continue;
      throw error(ErrorCode::invalid_argument, "--no-healthcheck and --{} exclude each other", option)
          .with_id("E-OPTION-CONFLICT")
          .with_hint("leave one of them out");
    }
    health.test = {"NONE"};
    return;
  }
  if (auto command = parsed.value("health-cmd")) {
    health.test = {"CMD-SHELL", *command};
    if (command->empty() || *command == "none") health.test = {"NONE"};
  }
  health.interval = duration(parsed, "health-interval");
  health.timeout = duration(parsed, "health-timeout");
  health.start_period = duration(parsed, "health-start-period");
  health.start_interval = duration(parsed, "health-start-interval");
  if (auto text = parsed.value("health-retries")) health.retries = number("health-retries", *text, 0, INT32_MAX);
}

void put_life(const Parsed& parsed, engine::CreateRequest& create) {
  if (auto text = parsed.value("restart"); text && !text->empty())
    create.restart = with_option("restart", [&] { return engine::parse_restart(*text); });
  put_health(parsed, create.health);
}

void put_attach(const Parsed& parsed, RunRequest& run) {
  run.detach = parsed.flag("detach");
  run.detach_keys = parsed.value_or("detach-keys", "");
  run.signal_proxy = !parsed.has("sig-proxy") || parsed.flag("sig-proxy");
  run.attach_stdin = run.create.open_stdin;
  const auto& streams = parsed.all("attach");
  if (streams.empty()) return;
  if (run.detach) {
    throw Error(ErrorCode::invalid_argument, "--attach and --detach exclude each other")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("leave one of them out");
  }
  run.attach_stdin = run.attach_out = run.attach_err = false;
  for (const std::string& stream : streams) {
    std::string name = lower(stream);
    if (name == "stdin")
      run.attach_stdin = true;
    else if (name == "stdout")
      run.attach_out = true;
    else if (name == "stderr")
      run.attach_err = true;
    else
      throw bad_value("attach", stream, "not a stream", "stdin, stdout or stderr");
  }
}

}  // namespace

Surroundings Surroundings::of_process() {
  Surroundings around;
  char* cwd = getcwd(nullptr, 0);
  around.cwd = cwd != nullptr ? cwd : "/";
  std::free(cwd);
  around.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  around.home = around.variable("HOME").value_or("");
  around.read_file = [](const std::string& path) { return servin::read_file(path); };
  return around;
}

std::vector<std::string> read_assignments(const std::string& path, const Surroundings& around, bool take_from_caller) {
  std::string_view option = take_from_caller ? "env-file" : "label-file";
  auto text = around.read_file(path);
  if (!text) {
    throw error(ErrorCode::not_found, "--{} {}: no such file", option, path)
        .with_id("E-FILE-NOT-FOUND")
        .with_hint("check the path");
  }
  if (text->starts_with("\xef\xbb\xbf")) text->erase(0, 3);  // a byte-order mark of Windows editors
  std::vector<std::string> result;
  for (std::string line : split(*text, '\n')) {
    if (line.ends_with('\r')) line.pop_back();
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.erase(0, 1);
    if (line.empty() || line[0] == '#') continue;
    std::string key = line.substr(0, line.find('='));
    if (key.empty() || key.find_first_of(" \t") != std::string::npos) {
      throw bad_value(option, path, fmt::format("\"{}\" is no name", key), "one NAME=VALUE a line");
    }
    if (key.size() < line.size() || !take_from_caller) {
      result.push_back(line);
    } else if (auto value = around.variable(key)) {
      result.push_back(key + "=" + *value);
    }
  }
  return result;
}

RunRequest run_request(const Parsed& parsed, const Surroundings& around) {
  RunRequest run;
  engine::CreateRequest& create = run.create;
  create.image = parsed.args.at(0);
  create.command.assign(parsed.args.begin() + 1, parsed.args.end());
  put_identity(parsed, around, create);
  put_process(parsed, around, create);
  put_files(parsed, around, create);
  put_network(parsed, create);
  put_limits(parsed, create);
  put_rights(parsed, create);
  put_logs(parsed, create);
  put_life(parsed, create);
  put_attach(parsed, run);
  run.id_file = parsed.value_or("cidfile", "");
  run.isolation = parsed.value_or("isolation", "");
  run.pull = parsed.value_or("pull", "missing");
  run.replace = parsed.flag("replace");
  if (run.replace && run.create.name.empty())
    throw Error(ErrorCode::invalid_argument, "--replace: which container?")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("give the name as well: --name NAME --replace");
  return run;
}

engine::UpdateRequest update_request(const Parsed& parsed) {
  engine::CreateRequest limits;
  put_limits(parsed, limits);
  engine::UpdateRequest update;
  update.resources = limits.resources;
  if (auto text = parsed.value("restart"))
    update.restart = with_option("restart", [&] { return engine::parse_restart(*text); });
  return update;
}

engine::ExecRequest exec_request(const Parsed& parsed, const Surroundings& around) {
  engine::ExecRequest exec;
  exec.command.assign(parsed.args.begin() + 1, parsed.args.end());
  exec.env = environment(parsed, around);
  exec.user = parsed.value_or("user", "");
  exec.working_dir = parsed.value_or("workdir", "");
  exec.tty = parsed.flag("tty");
  exec.open_stdin = parsed.flag("interactive");
  exec.privileged = parsed.flag("privileged");
  return exec;
}

}  // namespace servin::cli
