// SPDX-License-Identifier: Apache-2.0
// What can be judged of a CreateRequest without looking at the host.
#include <algorithm>
#include <map>
#include <set>

#include <arpa/inet.h>

#include "base/id.h"
#include "engine/option_error.h"
#include "engine/options.h"

namespace servin::engine {
namespace {

Error bad(std::string_view option, std::string_view text, std::string_view why) {
  return error(ErrorCode::invalid_argument, "{} {}: {}", option, quoted(text), why).with_id("E-OPTION-VALUE");
}

Error conflict(std::string_view a, std::string_view b, std::string_view why) {
  return error(ErrorCode::invalid_argument, "{} and {} do not go together: {}", a, b, why)
      .with_id("E-OPTION-CONFLICT")
      .with_hint(fmt::format("leave out one of them"));
}

Error not_built(std::string what, std::string hint) {
  return Error(ErrorCode::unsupported, std::move(what)).with_id("E-NOT-BUILT").with_hint(std::move(hint));
}

bool is_container_mode(std::string_view mode) { return mode.starts_with("container:") && mode.size() > 10; }

bool is_alias(const std::string& name) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
  };
  constexpr std::size_t longest_label = 63;
  return !name.empty() && name.size() <= longest_label && name.front() != '-' && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), plain);
}

bool is_address(const std::string& text, int family) {
  unsigned char buffer[16];
  return ::inet_pton(family, text.c_str(), buffer) == 1;
}

bool is_mac(const std::string& text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool separator = i % 3 == 2;
    if (separator ? text[i] != ':' && text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  // The lowest bit of the first byte: a group's address.
  return std::stoul(text.substr(0, 2), nullptr, 16) % 2 == 0 && text.find_first_not_of("0:-") != std::string::npos;
}

// What a container asks for in its network.
void check_endpoint(const CreateRequest& r) {
  std::string network = "--network " + r.network;
  bool none = r.network == "none" || r.network == "host" || is_container_mode(r.network);
  std::string option = !r.ip.empty()                ? "--ip"
                       : !r.ip6.empty()             ? "--ip6"
                       : !r.network_aliases.empty() ? "--network-alias"
                                                    : "";
  if (!option.empty() && (none || r.network == "bridge"))
    throw conflict(option, network, "addresses and names are chosen in networks of your own")
        .with_hint("servin network create mine --subnet 10.5.0.0/24; then --network mine");
  if (!r.mac.empty() && none) throw conflict("--mac-address", network, "there is no interface to have it");
  for (const auto& other : r.more_networks)
    if (none || other == "bridge" || other == "none" || other == "host" || is_container_mode(other))
      throw conflict(network, "--network " + other,
                     "in several networks one can be where all but the first are own ones");
  if (!r.mac.empty() && !is_mac(r.mac))
    throw bad("--mac-address", r.mac, "not the address of one interface").with_hint("for example 02:42:ac:11:00:02");
  NetworkAddress wanted;
  wanted.address = r.ip;
  wanted.address6 = r.ip6;
  wanted.aliases = r.network_aliases;
  validate_endpoint(wanted, "--network-alias");
}

void check_network(const CreateRequest& r) {
  bool mode = r.network == "none" || r.network == "host" || is_container_mode(r.network);
  if (r.network.starts_with("container:") && !mode)
    throw bad("--network", r.network, "the container's name is missing");
  if (!mode) check_name("network", r.network);
  check_endpoint(r);
}

void check_ports(const CreateRequest& r) {
  for (const auto& text : r.publish) parse_publish(text);
  for (const auto& text : r.expose) parse_expose(text);
  if (r.publish.empty() && !r.publish_all) return;
  std::string option = r.publish.empty() ? "--publish-all" : "--publish " + r.publish.front();
  std::string network = "--network " + r.network;
  if (r.network == "none")
    throw conflict(option, network, "without a network nothing can be reached").with_hint("add --network bridge");
  if (r.network == "host") throw conflict(option, network, "its programs listen on the host's ports themselves");
  if (is_container_mode(r.network)) throw conflict(option, network, "that container publishes");
}

void check_mode(std::string_view option, const std::string& mode, std::initializer_list<std::string_view> words,
                bool container) {
  if (mode.empty() || (container && is_container_mode(mode))) return;
  if (std::find(words.begin(), words.end(), mode) != words.end()) return;
  std::vector<std::string> known(words.begin(), words.end());
  if (container) known.emplace_back("container:NAME");
  throw bad(option, mode, "no such mode").with_hint("known: " + join(known, ", "));
}

void check_modes(const CreateRequest& r) {
  check_network(r);
  check_mode("--pid", r.pid_mode, {"host", "private"}, true);
  check_mode("--ipc", r.ipc_mode, {"host", "private", "shareable", "none"}, true);
  check_mode("--uts", r.uts_mode, {"host", "private"}, false);
  check_mode("--cgroupns", r.cgroupns_mode, {"host", "private"}, false);
  if (!r.userns_mode.empty() && r.userns_mode != "host")
    throw not_built(fmt::format("--userns {} is not built yet", printable(r.userns_mode)), "leave --userns out");
}

void check_hostname(const CreateRequest& r) {
  if (!r.hostname.empty() && r.uts_mode == "host")
    throw conflict("--hostname", "--uts host", "the host's name would change");
  if (!r.hostname.empty() && is_container_mode(r.network))
    throw conflict("--hostname", "--network " + r.network, "the name belongs to that container");
  for (const auto& [option, name] : {std::pair("--hostname", &r.hostname), std::pair("--domainname", &r.domainname)}) {
    bool good = name->size() <= 64;
    for (char c : *name) {
      bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      good = good && (alnum || c == '-' || c == '.' || c == '_');
    }
    good = good && (name->empty() || (name->front() != '-' && name->front() != '.'));
    if (!good) throw bad(option, *name, "not a host name").with_hint("letters, digits, - and . : at most 64");
  }
}

bool is_address(const std::string& text) {
  unsigned char buffer[16];
  return ::inet_pton(AF_INET, text.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

void check_name_service(const CreateRequest& r) {
  bool shared = is_container_mode(r.network);
  if (shared && !(r.dns.empty() && r.dns_search.empty() && r.dns_options.empty()))
    throw conflict("--dns", "--network " + r.network, "name service belongs to that container");
  for (const auto& server : r.dns)
    if (!is_address(server)) throw bad("--dns", server, "not an address").with_hint("for example --dns 1.1.1.1");
  for (const auto& entry : r.extra_hosts) {
    auto at = entry.find_first_of(":=");
    std::string address = at == std::string::npos ? "" : entry.substr(at + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (address == "host-gateway" && r.network == "none")
      throw conflict("--add-host " + entry, "--network none", "without a network there is no way to the host");
    bool clean = entry.find_first_of(" \t\n#") == std::string::npos;
    bool known = address == "host-gateway" || is_address(address);
    if (at == std::string::npos || at == 0 || !known || !clean)
      throw bad("--add-host", entry, "not of the form NAME:ADDRESS").with_hint("for example --add-host db:10.0.0.5");
  }
}

void check_cpuset(std::string_view option, const std::string& text) {
  if (text.empty()) return;
  for (const auto& part : split(text, ',')) {
    auto range = split_once(part, '-');
    auto low = parse_u64(range ? range->first : part);
    auto high = parse_u64(range ? range->second : part);
    if (!low || !high || *low > *high || *high > 8191)
      throw bad(option, text, "not a list of numbers").with_hint("for example 0-3,7");
  }
}

void check_memory(const Resources& r) {
  constexpr std::uint64_t least = 6U << 20U;
  if (r.memory != 0 && r.memory < least)
    throw bad("--memory", std::to_string(r.memory), "below the least that works").with_hint("6m or more");
  if (r.memory_swap < -1) throw bad("--memory-swap", std::to_string(r.memory_swap), "below -1");
  if (r.memory_swap > 0 && r.memory == 0)
    throw error(ErrorCode::invalid_argument, "--memory-swap needs --memory")
        .with_id("E-OPTION-CONFLICT")
        .with_hint("give both; --memory-swap is memory and swap together");
  if (r.memory_swap > 0 && static_cast<std::uint64_t>(r.memory_swap) < r.memory)
    throw conflict("--memory", "--memory-swap", "memory and swap together cannot be less than memory");
  if (r.memory_reservation != 0 && r.memory != 0 && r.memory_reservation > r.memory)
    throw conflict("--memory", "--memory-reservation", "the reservation is above the limit");
}

void check_resources(const Resources& r) {
  check_memory(r);
  if (r.nano_cpus < 0) throw bad("--cpus", std::to_string(r.nano_cpus), "negative");
  if (r.nano_cpus > 0 && r.nano_cpus < 10'000'000) throw bad("--cpus", "less than 0.01", "too little to run with");
  if (r.nano_cpus != 0 && (r.cpu_quota != 0 || r.cpu_period != 0))
    throw conflict("--cpus", "--cpu-quota or --cpu-period", "both say the same");
  if (r.cpu_shares != 0 && (r.cpu_shares < 2 || r.cpu_shares > 262144))
    throw bad("--cpu-shares", std::to_string(r.cpu_shares), "out of range").with_hint("2 to 262144");
  if (r.cpu_period != 0 && (r.cpu_period < 1000 || r.cpu_period > 1'000'000))
    throw bad("--cpu-period", std::to_string(r.cpu_period), "out of range").with_hint("1000 to 1000000 microseconds");
  if (r.cpu_quota != 0 && r.cpu_quota != -1 && r.cpu_quota < 1000)
    throw bad("--cpu-quota", std::to_string(r.cpu_quota), "below 1 ms").with_hint("1000 microseconds or more");
  check_cpuset("--cpuset-cpus", r.cpuset_cpus);
  check_cpuset("--cpuset-mems", r.cpuset_mems);
  if (r.pids_limit < -1) throw bad("--pids-limit", std::to_string(r.pids_limit), "below -1");
  if (r.blkio_weight != 0 && (r.blkio_weight < 10 || r.blkio_weight > 1000))
    throw bad("--blkio-weight", std::to_string(r.blkio_weight), "out of range").with_hint("10 to 1000");
}

void check_mounts(const CreateRequest& r) {
  std::set<std::string> targets;
  for (const auto& mount : r.mounts) {
    detail::check_target(mount.target, mount.target);
    if (!targets.insert(mount.target).second)
      throw error(ErrorCode::invalid_argument, "{} is mounted twice", mount.target)
          .with_id("E-OPTION-CONFLICT")
          .with_hint("leave out one of the two");
  }
}

void check_sysctl(const CreateRequest& r, const std::string& key) {
  static const std::set<std::string> ipc = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                            "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                            "kernel.shmmni", "kernel.shm_rmid_forced"};
  // Only what has a namespace of its own: everything else would change the host.
  bool is_ipc = ipc.count(key) > 0 || key.starts_with("fs.mqueue.");
  bool is_net = key.starts_with("net.");
  if (!is_ipc && !is_net)
    throw bad("--sysctl", key, "not of a namespace: it would change the host")
        .with_hint("net.*, fs.mqueue.* and kernel.shm*, msg*, sem");
  if (is_net && r.network == "host") throw conflict("--sysctl " + key, "--network host", "it would change the host");
  if (is_ipc && r.ipc_mode == "host") throw conflict("--sysctl " + key, "--ipc host", "it would change the host");
}

void check_security_option(const std::string& option) {
  auto pair = split_once(option, '=');
  if (!pair) pair = split_once(option, ':');
  std::string key = pair ? pair->first : option;
  std::string value = pair ? pair->second : "";
  if (key == "no-new-privileges" && (value.empty() || value == "true" || value == "false")) return;
  if (key == "seccomp" && !value.empty()) return;
  if (key == "systempaths" && value == "unconfined") return;
  // There is nothing to switch off where the engine sets no profile of these.
  if (key == "apparmor" && value == "unconfined") return;
  if (key == "label" && value == "disable") return;
  if (key == "apparmor" || key == "label" || key == "mask" || key == "unmask" || key == "proc-opts")
    throw not_built(fmt::format("--security-opt {} is not built", printable(option)), "leave it out");
  std::vector<std::string> known = {"no-new-privileges", "seccomp", "systempaths", "apparmor", "label"};
  std::string hint = did_you_mean_hint(key, known);
  throw bad("--security-opt", option, "unknown")
      .with_hint(hint.empty() ? "no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined" : hint);
}

void check_log_file_option(const std::string& key, const std::string& value) {
  if (key == "max-size" && parse_size(value) < 4096)
    throw bad("--log-opt", key + "=" + value, "too small").with_hint("4k or more");
  auto files = parse_u64(value);
  if (key == "max-file" && (!files || *files < 1 || *files > 1000))
    throw bad("--log-opt", key + "=" + value, "not a number from 1 to 1000");
}

void check_syslog_address(const std::string& value) {
  bool path = value.starts_with("unix:///") || value.starts_with("unixgram:///");
  std::string rest = value.starts_with("udp://") ? value.substr(6) : "";
  auto colon = rest.rfind(':');
  std::string host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto port = colon == std::string::npos ? std::nullopt : parse_u64(rest.substr(colon + 1));
  if (!path && !(is_address(host) && port && *port > 0 && *port < 65536))
    throw bad("--log-opt", "syslog-address=" + value, "not an address that syslog can have")
        .with_hint("unix:///dev/log or udp://127.0.0.1:514");
}

void check_logs(const CreateRequest& r) {
  static const std::map<std::string, std::vector<std::string>> drivers = {
      {"json-file", {"max-size", "max-file"}},
      {"local", {"max-size", "max-file"}},
      {"journald", {"tag"}},
      {"syslog", {"tag", "syslog-address", "syslog-facility"}},
      {"none", {}}};
  auto driver = drivers.find(r.log_driver);
  if (driver == drivers.end()) {
    std::vector<std::string> names;
    for (const auto& [name, options] : drivers) names.push_back(name);
    std::string hint = did_you_mean_hint(r.log_driver, names);
    throw error(ErrorCode::unsupported, "log driver {} is not there", quoted(r.log_driver))
        .with_id("E-NOT-BUILT")
        .with_hint(hint.empty() ? "use one of " + join(names, ", ") : hint);
  }
  const auto& known = driver->second;
  for (const auto& [key, value] : r.log_options) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw bad("--log-opt", key, "the driver " + r.log_driver + " has no such option")
          .with_hint(known.empty() ? "it has none" : "it has " + join(known, ", "));
    check_log_file_option(key, value);
    if (key == "syslog-address") check_syslog_address(value);
    if (key == "syslog-facility") parse_syslog_facility(value);
  }
}

void check_life(const CreateRequest& r) {
  if (!r.restart.policy.empty() && r.auto_remove)
    throw conflict("--restart " + r.restart.policy, "--rm", "what is removed at its end cannot be started again");
  const auto& h = r.health;
  if (h.test.empty()) return;
  const std::string& kind = h.test[0];
  if (kind != "NONE" && kind != "CMD" && kind != "CMD-SHELL")
    throw bad("the health check", kind, "is none of NONE, CMD and CMD-SHELL");
  if (kind != "NONE" && h.test.size() < 2) throw bad("--health-cmd", "", "the command is missing");
}

void check_health_times(const oci::HealthCheck& h) {
  constexpr std::int64_t least = 1'000'000;
  for (auto [option, value] :
       {std::pair("--health-interval", h.interval), std::pair("--health-timeout", h.timeout),
        std::pair("--health-start-period", h.start_period), std::pair("--health-start-interval", h.start_interval)})
    if (value != 0 && value < least)
      throw bad(option, std::to_string(value) + "ns", "below a millisecond").with_hint("1ms or more; 0: the default");
  if (h.retries < 0) throw bad("--health-retries", std::to_string(h.retries), "negative");
}

void check_process(const CreateRequest& r) {
  if (!r.working_dir.empty() && r.working_dir[0] != '/')
    throw bad("--workdir", r.working_dir, "not an absolute path").with_hint("it starts with /");
  for (const auto& variable : r.env)
    if (variable.find('=') == std::string::npos || variable[0] == '=')
      throw bad("--env", variable, "not of the form NAME=VALUE");
  for (const auto* words : {&r.command, &r.env})
    for (const auto& word : *words)
      if (word.find('\0') != std::string::npos) throw bad("an argument", word, "holds a NUL character");
  if (r.stop_timeout && *r.stop_timeout < -1) throw bad("--stop-timeout", std::to_string(*r.stop_timeout), "below -1");
  if (!r.stop_signal.empty()) parse_signal(r.stop_signal);
  if (r.oom_score_adj && (*r.oom_score_adj < -1000 || *r.oom_score_adj > 1000))
    throw bad("--oom-score-adj", std::to_string(*r.oom_score_adj), "out of range").with_hint("-1000 to 1000");
  if (!r.cgroup_parent.empty() && (r.cgroup_parent[0] != '/' || r.cgroup_parent.find("..") != std::string::npos))
    throw bad("--cgroup-parent", r.cgroup_parent, "not an absolute path").with_hint("for example /my-group");
}

// What needs a namespace or a device filter; of limits and mounts the host runtime itself knows.
void check_no_isolation(const CreateRequest& r) {
  if (r.isolation != Isolation::none) return;
  auto refuse = [](std::string_view option) {
    throw conflict(option, "--isolation none", "without isolation the program runs on the host as it is");
  };
  if (r.privileged) refuse("--privileged");
  if (!r.sysctls.empty()) refuse("--sysctl");
  if (!r.devices.empty()) refuse("--device");
  if (!r.cap_add.empty() || !r.cap_drop.empty()) refuse("--cap-add or --cap-drop");
  if (!r.hostname.empty()) refuse("--hostname");
  if (r.network != "none" && r.network != "host") refuse("--network " + r.network);
}

}  // namespace

void validate_endpoint(const NetworkAddress& wanted, std::string_view alias_option) {
  if (!wanted.address.empty() && !is_address(wanted.address, AF_INET))
    throw bad("--ip", wanted.address, "not an IPv4 address").with_hint("for example --ip 10.5.0.9");
  if (!wanted.address6.empty() && !is_address(wanted.address6, AF_INET6))
    throw bad("--ip6", wanted.address6, "not an IPv6 address").with_hint("for example --ip6 fd00:5::9");
  for (const auto& alias : wanted.aliases)
    if (!is_alias(alias))
      throw bad(alias_option, alias, "not a host name").with_hint("letters, digits, - _ and . : at most 63");
}

void validate_limits(const Resources& r) { check_resources(r); }

void validate(const CreateRequest& r) {
  if (r.image.empty()) throw Error(ErrorCode::invalid_argument, "no image given").with_id("E-ARGUMENTS");
  if (!r.name.empty()) check_name("container", r.name);
  check_process(r);
  check_modes(r);
  check_ports(r);
  check_hostname(r);
  check_name_service(r);
  check_mounts(r);
  check_resources(r.resources);
  for (const auto& [key, value] : r.sysctls) check_sysctl(r, key);
  for (const auto& option : r.security_opt) check_security_option(option);
  check_logs(r);
  check_life(r);
  check_health_times(r.health);
  check_no_isolation(r);
}

}  // namespace servin::engine
