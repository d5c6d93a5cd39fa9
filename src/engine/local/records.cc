// SPDX-License-Identifier: Apache-2.0
#include "engine/local/records.h"

#include <concepts>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strings.h"

namespace servin::engine {
namespace {

using nlohmann::json;

// Text that is not UTF-8 (an argument may hold any bytes) is stored as {"bytes": [..]}: JSON itself has no form for it.
json text_to_json(const std::string& s) {
  if (valid_utf8(s)) return s;
  return json{{"bytes", std::vector<std::uint8_t>(s.begin(), s.end())}};
}
void from(const json& j, std::string& s) {
  if (!j.is_object()) {
    s = j.get<std::string>();
    return;
  }
  auto bytes = j.at("bytes").get<std::vector<std::uint8_t>>();
  s.assign(bytes.begin(), bytes.end());
}

template <typename T>
concept Number = std::is_arithmetic_v<T>;
template <typename T>
concept Enum = std::is_enum_v<T>;
template <typename T, typename... Types>
concept OneOf = (std::same_as<T, Types> || ...);
/// Those that have fields() below.
template <typename T>
concept Record = OneOf<T, MountSpec, DeviceSpec, Ulimit, Resources, CreateRequest, ContainerConfig, ContainerState,
                       RestartRule, oci::HealthCheck, Network, NetworkSubnet>;

json to(const std::string& s) { return text_to_json(s); }
json to(Number auto n) { return n; }
json to(Enum auto e) { return static_cast<int>(e); }
json to(const Time& t) { return t.ns; }
template <typename T>
json to(const std::vector<T>& list);
template <typename T>
json to(const std::optional<T>& value);
json to(const std::map<std::string, std::string>& map);
template <Record T>
json to(const T& object);

void from(const json& j, Number auto& n) { j.get_to(n); }
template <Enum E>
void from(const json& j, E& e) {
  e = static_cast<E>(j.get<int>());
}
void from(const json& j, Time& t) { j.get_to(t.ns); }
template <typename T>
void from(const json& j, std::vector<T>& list);
template <typename T>
void from(const json& j, std::optional<T>& value);
void from(const json& j, std::map<std::string, std::string>& map);
template <Record T>
void from(const json& j, T& object);

template <typename F>
void fields(MountSpec& m, F f) {
  f("type", m.type), f("source", m.source), f("target", m.target), f("read_only", m.read_only);
  f("no_copy", m.no_copy), f("create_source", m.create_source), f("recursive", m.recursive), f("relabel", m.relabel);
  f("propagation", m.propagation), f("tmpfs_size", m.tmpfs_size), f("tmpfs_mode", m.tmpfs_mode);
  f("tmpfs_options", m.tmpfs_options), f("attributes", m.attributes), f("writable_below", m.writable_below);
  f("idmap", m.idmap), f("subpath", m.subpath), f("volume_options", m.volume_options);
  f("volume_labels", m.volume_labels), f("image_id", m.image_id), f("layers", m.layers);
}
template <typename F>
void fields(DeviceSpec& d, F f) {
  f("host_path", d.host_path), f("container_path", d.container_path), f("permissions", d.permissions);
}
template <typename F>
void fields(Ulimit& u, F f) {
  f("name", u.name), f("soft", u.soft), f("hard", u.hard);
}
template <typename F>
void fields(Resources& r, F f) {
  f("memory", r.memory), f("memory_swap", r.memory_swap), f("memory_reservation", r.memory_reservation);
  f("nano_cpus", r.nano_cpus), f("cpu_shares", r.cpu_shares), f("cpu_quota", r.cpu_quota);
  f("cpu_period", r.cpu_period), f("cpuset_cpus", r.cpuset_cpus), f("cpuset_mems", r.cpuset_mems);
  f("pids_limit", r.pids_limit), f("blkio_weight", r.blkio_weight), f("oom_kill_disable", r.oom_kill_disable);
}
template <typename F>
void fields(RestartRule& r, F f) {
  f("policy", r.policy), f("retries", r.retries);
}
template <typename F>
void fields(oci::HealthCheck& h, F f) {
  f("test", h.test), f("interval", h.interval), f("timeout", h.timeout), f("start_period", h.start_period);
  f("start_interval", h.start_interval), f("retries", h.retries);
}
template <typename F>
void fields(CreateRequest& c, F f) {
  // The name has a column of its own, because it alone changes.
  f("image", c.image), f("platform", c.platform), f("command", c.command), f("entrypoint", c.entrypoint);
  f("env", c.env), f("working_dir", c.working_dir), f("user", c.user), f("groups", c.groups);
  f("hostname", c.hostname), f("domainname", c.domainname), f("labels", c.labels), f("annotations", c.annotations);
  f("tty", c.tty), f("open_stdin", c.open_stdin), f("auto_remove", c.auto_remove), f("init", c.init);
  f("stop_signal", c.stop_signal), f("stop_timeout", c.stop_timeout), f("isolation", c.isolation);
  f("network", c.network), f("ip", c.ip), f("ip6", c.ip6), f("mac", c.mac), f("network_aliases", c.network_aliases);
  f("publish", c.publish), f("publish_all", c.publish_all), f("pid_mode", c.pid_mode), f("ipc_mode", c.ipc_mode),
      f("uts_mode", c.uts_mode);
  f("cgroupns_mode", c.cgroupns_mode), f("userns_mode", c.userns_mode), f("extra_hosts", c.extra_hosts);
  f("dns", c.dns), f("dns_search", c.dns_search), f("dns_options", c.dns_options), f("volumes_from", c.volumes_from);
  f("mounts", c.mounts), f("devices", c.devices), f("device_cgroup_rules", c.device_cgroup_rules);
  f("cap_add", c.cap_add), f("cap_drop", c.cap_drop), f("privileged", c.privileged);
  f("security_opt", c.security_opt), f("read_only", c.read_only), f("shm_size", c.shm_size), f("sysctls", c.sysctls);
  f("ulimits", c.ulimits), f("oom_score_adj", c.oom_score_adj), f("resources", c.resources);
  f("cgroup_parent", c.cgroup_parent), f("log_driver", c.log_driver), f("log_options", c.log_options);
  f("restart", c.restart), f("health", c.health);
}
template <typename F>
void fields(NetworkSubnet& s, F f) {
  f("subnet", s.subnet), f("gateway", s.gateway), f("ip_range", s.ip_range), f("chosen", s.chosen);
}
template <typename F>
void fields(Network& n, F f) {
  // The id is the name of the folder.
  f("name", n.name), f("driver", n.driver), f("subnets", n.subnets), f("internal", n.internal);
  f("options", n.options), f("labels", n.labels), f("created", n.created);
}
template <typename F>
void fields(ContainerConfig& c, F f) {
  f("request", c.request), f("image_id", c.image_id), f("image_name", c.image_name), f("args", c.args);
  f("env", c.env), f("stop_signal", c.stop_signal), f("labels", c.labels), f("chain_ids", c.chain_ids);
  f("exposed_ports", c.exposed_ports), f("anonymous_volumes", c.anonymous_volumes), f("created", c.created);
}
template <typename F>
void fields(ContainerState& s, F f) {
  f("status", s.status), f("pid", s.pid), f("exit_code", s.exit_code), f("oom_killed", s.oom_killed);
  f("error", s.error), f("started", s.started), f("finished", s.finished);
  f("restarts", s.restarts), f("stopped_by_hand", s.stopped_by_hand);
}

template <typename T>
json to(const std::vector<T>& list) {
  json j = json::array();
  for (const T& item : list) j.push_back(to(item));
  return j;
}
template <typename T>
json to(const std::optional<T>& value) {
  return value ? to(*value) : json();
}
json to(const std::map<std::string, std::string>& map) {
  json j = json::array();
  for (const auto& [key, value] : map) j.push_back(json::array({to(key), to(value)}));
  return j;
}
template <Record T>
json to(const T& object) {
  json j = json::object();
  static T defaults{};
  // Both are walked in step; what equals the default is left out.
  std::vector<json> base;
  fields(defaults, [&](const char*, auto& field) { base.push_back(to(field)); });
  std::size_t i = 0;
  fields(const_cast<T&>(object), [&](const char* name, auto& field) {
    json value = to(field);
    if (value != base[i++]) j[name] = std::move(value);
  });
  return j;
}

template <typename T>
void from(const json& j, std::vector<T>& list) {
  list.clear();
  for (const auto& item : j) from(item, list.emplace_back());
}
template <typename T>
void from(const json& j, std::optional<T>& value) {
  value.reset();
  if (!j.is_null()) from(j, value.emplace());
}
void from(const json& j, std::map<std::string, std::string>& map) {
  for (const auto& pair : j) {
    std::string key;
    std::string value;
    from(pair.at(0), key);
    from(pair.at(1), value);
    map[key] = value;
  }
}
template <Record T>
void from(const json& j, T& object) {
  fields(object, [&](const char* name, auto& field) {
    auto found = j.find(name);
    if (found != j.end()) from(*found, field);
  });
}

template <typename T>
T parse(const std::string& id, const std::string& text, const char* what) {
  try {
    T object{};
    from(json::parse(text), object);
    return object;
  } catch (const json::exception&) {
    throw error(ErrorCode::data_loss, "the {} of container {} is damaged", what, id.substr(0, 12))
        .with_id("E-STATE-DAMAGED")
        .with_hint("remove the container: servin rm -f " + id.substr(0, 12));
  }
}

}  // namespace

std::string to_json(const ContainerConfig& config) { return to(config).dump(); }
std::string to_json(const ContainerState& state) { return to(state).dump(); }
std::string to_json(const std::map<std::string, std::string>& map) { return to(map).dump(); }

ContainerConfig parse_config(const std::string& id, const std::string& text) {
  auto config = parse<ContainerConfig>(id, text, "record");
  config.id = id;
  return config;
}

ContainerState parse_state(const std::string& id, const std::string& text) {
  return parse<ContainerState>(id, text, "state");
}

std::string to_json(const Network& network) { return to(network).dump(); }

Network parse_network(const std::string& id, const std::string& text) {
  try {
    Network n;
    from(json::parse(text), n);
    n.id = id;
    return n;
  } catch (const json::exception&) {
    throw error(ErrorCode::data_loss, "the record of network {} is damaged", id.substr(0, 12))
        .with_id("E-STATE-DAMAGED")
        .with_hint("remove the network and make it again: servin network rm " + id.substr(0, 12));
  }
}

std::map<std::string, std::string> parse_map(const std::string& text) {
  std::map<std::string, std::string> map;
  try {
    from(json::parse(text), map);
  } catch (const json::exception&) {
    throw Error(ErrorCode::data_loss, "a list of labels in the database is damaged").with_id("E-STATE-DAMAGED");
  }
  return map;
}

}  // namespace servin::engine
