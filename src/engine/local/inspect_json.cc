// SPDX-License-Identifier: Apache-2.0
// Docker's inspect shapes (Engine API 1.41) of containers and images.
#include <nlohmann/json.hpp>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/health_state.h"
#include "engine/local/local.h"
#include "engine/local/log_config.h"
#include "engine/local/running.h"
#include "engine/options.h"
#include "runtime/defaults.h"

namespace servin::engine {
namespace {

using nlohmann::ordered_json;

// Arguments, paths and labels may be any bytes; those that are not UTF-8 become U+FFFD, as docker writes them.
std::string dump(const ordered_json& j) { return j.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

ordered_json array(const std::vector<std::string>& items) {
  ordered_json j = ordered_json::array();
  for (const auto& item : items) j.push_back(item);
  return j;
}

ordered_json array_or_null(const std::vector<std::string>& items) {
  return items.empty() ? ordered_json() : array(items);
}

ordered_json map(const std::map<std::string, std::string>& items) {
  ordered_json j = ordered_json::object();
  for (const auto& [key, value] : items) j[key] = value;
  return j;
}

ordered_json set(const std::vector<std::string>& items) {
  ordered_json j = ordered_json::object();
  for (const auto& item : items) j[item] = ordered_json::object();
  return j;
}

ordered_json state_json(const ContainerState& s) {
  // Docker's Running means that somebody looks after it.
  bool running = is_up(s.status) || s.status == Status::restarting;
  return {{"Status", to_string(s.status)},
          {"Running", running},
          {"Paused", s.status == Status::paused},
          {"Restarting", s.status == Status::restarting},
          {"OOMKilled", s.oom_killed},
          {"Dead", s.status == Status::dead},
          {"Pid", s.pid},
          {"ExitCode", s.exit_code},
          {"Error", s.error},
          {"StartedAt", rfc3339(s.started)},
          {"FinishedAt", rfc3339(s.finished)}};
}

ordered_json devices_json(const std::vector<DeviceSpec>& devices) {
  ordered_json j = ordered_json::array();
  for (const auto& d : devices)
    j.push_back(
        {{"PathOnHost", d.host_path}, {"PathInContainer", d.container_path}, {"CgroupPermissions", d.permissions}});
  return j;
}

ordered_json ulimits_json(const std::vector<Ulimit>& limits) {
  ordered_json j = ordered_json::array();
  for (const auto& l : limits) j.push_back({{"Name", l.name}, {"Hard", l.hard}, {"Soft", l.soft}});
  return j;
}

std::string bind_text(const MountSpec& m) {
  std::string s = m.source + ":" + m.target;
  std::string options = m.read_only ? "ro" : "";
  if (!m.propagation.empty()) options += (options.empty() ? "" : ",") + m.propagation;
  return options.empty() ? s : s + ":" + options;
}

ordered_json binds_json(const CreateRequest& r) {
  ordered_json j = ordered_json::array();
  for (const auto& m : r.mounts)
    if (m.type == MountSpec::Type::bind || m.type == MountSpec::Type::volume) j.push_back(bind_text(m));
  return j.empty() ? ordered_json() : j;
}

ordered_json tmpfs_json(const CreateRequest& r) {
  ordered_json j = ordered_json::object();
  for (const auto& m : r.mounts) {
    if (m.type != MountSpec::Type::tmpfs) continue;
    std::vector<std::string> options = m.tmpfs_options;
    if (m.tmpfs_size != 0) options.push_back(fmt::format("size={}", m.tmpfs_size));
    if (m.tmpfs_mode != 0) options.push_back(fmt::format("mode={:o}", m.tmpfs_mode));
    j[m.target] = join(options, ",");
  }
  return j;
}

void add_resources(ordered_json& j, const Resources& r) {
  j["CpuShares"] = r.cpu_shares;
  j["Memory"] = r.memory;
  j["NanoCpus"] = r.nano_cpus;
  j["BlkioWeight"] = r.blkio_weight;
  j["CpuPeriod"] = r.cpu_period;
  j["CpuQuota"] = r.cpu_quota;
  j["CpusetCpus"] = r.cpuset_cpus;
  j["CpusetMems"] = r.cpuset_mems;
  j["MemoryReservation"] = r.memory_reservation;
  j["MemorySwap"] = r.memory_swap;
  j["OomKillDisable"] = r.oom_kill_disable;
  j["PidsLimit"] = r.pids_limit == 0 ? runtime::default_pids_limit : r.pids_limit;
}

std::string isolation_text(Isolation isolation) {
  return isolation == Isolation::vm ? "vm" : isolation == Isolation::none ? "none" : "namespace";
}

/// As asked for; NetworkSettings.Ports has what it became.
ordered_json bindings_json(const CreateRequest& r) {
  ordered_json bindings = ordered_json::object();
  for (const auto& text : r.publish)
    for (const auto& p : parse_publish(text)) {
      std::string key = fmt::format("{}/{}", p.container_port, p.protocol);
      std::string port = p.host_port == 0 ? "" : std::to_string(p.host_port);
      if (p.last_host_port != 0) port += "-" + std::to_string(p.last_host_port);
      if (!bindings.contains(key)) bindings[key] = ordered_json::array();
      bindings[key].push_back({{"HostIp", p.host_ip}, {"HostPort", port}});
    }
  return bindings;
}

ordered_json host_config(const ContainerConfig& c) {
  const CreateRequest& r = c.request;
  bool open_paths = r.privileged;
  for (const auto& option : r.security_opt) open_paths = open_paths || option == "systempaths=unconfined";
  ordered_json j = {
      {"Binds", binds_json(r)},
      {"LogConfig", {{"Type", r.log_driver}, {"Config", map(r.log_options)}}},
      {"NetworkMode", r.network},
      {"PortBindings", bindings_json(r)},
      {"RestartPolicy",
       {{"Name", r.restart.policy.empty() ? "no" : r.restart.policy}, {"MaximumRetryCount", r.restart.retries}}},
      {"AutoRemove", r.auto_remove},
      {"VolumesFrom", array_or_null(r.volumes_from)},
      {"CapAdd", array_or_null(r.cap_add)},
      {"CapDrop", array_or_null(r.cap_drop)},
      {"CgroupnsMode", r.cgroupns_mode.empty() ? "private" : r.cgroupns_mode},
      {"Dns", array(r.dns)},
      {"DnsOptions", array(r.dns_options)},
      {"DnsSearch", array(r.dns_search)},
      {"ExtraHosts", array_or_null(r.extra_hosts)},
      {"GroupAdd", array_or_null(r.groups)},
      {"IpcMode", r.ipc_mode.empty() ? "private" : r.ipc_mode},
      {"OomScoreAdj", r.oom_score_adj.value_or(0)},
      {"PidMode", r.pid_mode},
      {"Privileged", r.privileged},
      {"PublishAllPorts", r.publish_all},
      {"ReadonlyRootfs", r.read_only},
      {"SecurityOpt", array_or_null(r.security_opt)},
      {"Tmpfs", tmpfs_json(r)},
      {"UTSMode", r.uts_mode},
      {"UsernsMode", r.userns_mode},
      {"ShmSize", r.shm_size},
      {"Sysctls", map(r.sysctls)},
      {"Runtime", "servin"},
      {"Isolation", isolation_text(r.isolation)},
      {"CgroupParent", r.cgroup_parent},
      {"Devices", devices_json(r.devices)},
      {"DeviceCgroupRules", array_or_null(r.device_cgroup_rules)},
      {"Ulimits", ulimits_json(r.ulimits)},
      {"Init", r.init}};
  add_resources(j, r.resources);
  j["MaskedPaths"] = open_paths ? ordered_json() : array(runtime::default_masked_paths());
  j["ReadonlyPaths"] = open_paths ? ordered_json() : array(runtime::default_readonly_paths());
  return j;
}

ordered_json mounts_json(const ContainerConfig& c, const std::string& volumes) {
  ordered_json j = ordered_json::array();
  for (const auto& m : c.request.mounts) {
    ordered_json entry;
    switch (m.type) {
      case MountSpec::Type::bind:
        entry = {{"Type", "bind"}, {"Source", m.source}};
        break;
      case MountSpec::Type::volume:
        entry = {{"Type", "volume"},
                 {"Name", m.source},
                 {"Source", volumes + "/" + m.source + "/_data"},
                 {"Driver", "local"}};
        break;
      case MountSpec::Type::tmpfs:
        entry = {{"Type", "tmpfs"}, {"Source", ""}};
        break;
      case MountSpec::Type::image:
        entry = {{"Type", "image"}, {"Source", m.source}};
        break;
    }
    entry["Destination"] = m.target;
    entry["Mode"] = "";
    entry["RW"] = !m.read_only;
    entry["Propagation"] = m.type != MountSpec::Type::bind ? "" : m.propagation.empty() ? "rprivate" : m.propagation;
    j.push_back(std::move(entry));
  }
  return j;
}

ordered_json healthcheck_json(const oci::HealthCheck& h) {
  ordered_json j = {{"Test", array(h.test)}};
  if (!has_health_check(h)) return j;
  j["Interval"] = h.interval;
  j["Timeout"] = h.timeout;
  j["StartPeriod"] = h.start_period;
  j["StartInterval"] = h.start_interval;
  j["Retries"] = h.retries;
  return j;
}

ordered_json config_json(const ContainerConfig& c) {
  const CreateRequest& r = c.request;
  ordered_json volumes = ordered_json::object();
  for (const auto& m : r.mounts)
    if (m.type == MountSpec::Type::volume) volumes[m.target] = ordered_json::object();
  ordered_json j = {{"Hostname", r.hostname}, {"Domainname", r.domainname}, {"User", r.user},
                    {"AttachStdin", false},   {"AttachStdout", true},       {"AttachStderr", true}};
  if (!c.exposed_ports.empty()) j["ExposedPorts"] = set(c.exposed_ports);
  j["Tty"] = r.tty;
  j["OpenStdin"] = r.open_stdin;
  j["StdinOnce"] = false;
  j["Env"] = array(c.env);
  j["Cmd"] = array(r.command.empty() ? c.args : r.command);
  j["Image"] = c.image_name;
  j["Volumes"] = volumes.empty() ? ordered_json() : volumes;
  j["WorkingDir"] = r.working_dir;
  j["Entrypoint"] = r.entrypoint ? array(*r.entrypoint) : ordered_json();
  j["Labels"] = map(c.labels);
  j["StopSignal"] = c.stop_signal;
  if (!r.health.test.empty()) j["Healthcheck"] = healthcheck_json(r.health);
  if (r.stop_timeout) j["StopTimeout"] = *r.stop_timeout;
  return j;
}

ordered_json ports_json(const Container& container) {
  ordered_json ports = ordered_json::object();
  for (const auto& exposed : container.config.exposed_ports) ports[exposed] = nullptr;
  for (const auto& p : container.ports) {
    std::string key = fmt::format("{}/{}", p.container_port, p.protocol), port = std::to_string(p.host_port);
    if (ports[key].is_null()) ports[key] = ordered_json::array();
    // Every address is one of each family.
    for (const auto& ip : p.host_ip.empty() ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector{p.host_ip})
      ports[key].push_back({{"HostIp", ip}, {"HostPort", port}});
  }
  return ports;
}

/// Docker has the names that it answers to in DNSNames.
ordered_json address_json(const NetworkAddress& n, const ContainerConfig& c) {
  ordered_json names = nullptr;
  if (n.network != "bridge") {
    names = ordered_json::array({c.request.name});
    for (const auto& alias : n.aliases) names.push_back(alias);
    names.push_back(c.id.substr(0, 12));
  }
  return {{"Aliases", array_or_null(n.aliases)},
          {"DNSNames", names},
          {"NetworkID", n.network_id},
          {"MacAddress", n.mac},
          {"Gateway", n.gateway},
          {"IPAddress", n.address},
          {"IPPrefixLen", n.prefix},
          {"IPv6Gateway", n.gateway6},
          {"GlobalIPv6Address", n.address6},
          {"GlobalIPv6PrefixLen", n.prefix6}};
}

ordered_json network_json(const Container& container) {
  const ContainerConfig& c = container.config;
  ordered_json networks = ordered_json::object();
  if (c.request.network == "none" || c.request.network == "host")
    networks[c.request.network] = {{"IPAddress", ""}, {"Gateway", ""}, {"MacAddress", ""}, {"IPPrefixLen", 0}};
  NetworkAddress first;
  if (!container.networks.empty()) first = container.networks[0];
  for (const auto& n : container.networks) networks[n.network] = address_json(n, c);
  return {{"Ports", ports_json(container)},
          {"IPAddress", first.address},
          {"Gateway", first.gateway},
          {"MacAddress", first.mac},
          {"Networks", networks}};
}

}  // namespace

std::string LocalEngine::inspect_json(const std::string& name, bool with_size) {
  Container container = inspect(name);
  const ContainerConfig& c = container.config;
  std::vector<std::string> args(c.args.begin() + (c.args.empty() ? 0 : 1), c.args.end());
  std::string files = paths_.container(c.id);
  ordered_json j = {
      {"Id", c.id},
      {"Created", rfc3339(c.created)},
      {"Path", c.args.empty() ? "" : c.args[0]},
      {"Args", array(args)},
      {"State", state_json(container.state)},
      {"Image", c.image_id},
      {"ResolvConfPath", files + "/resolv.conf"},
      {"HostnamePath", files + "/hostname"},
      {"HostsPath", files + "/hosts"},
      {"LogPath", keeps_log_file(c.request.log_driver) ? log_path(c.id) : ""},
      {"Name", "/" + container.name()},
      {"RestartCount", container.state.restarts},
      {"Driver", "overlay"},
      {"Platform", "linux"},
      {"MountLabel", ""},
      {"ProcessLabel", ""},
      {"AppArmorProfile", ""},
      {"ExecIDs", nullptr},
      {"HostConfig", host_config(c)},
      {"GraphDriver",
       {{"Name", "overlay"},
        {"Data", {{"UpperDir", paths_.container(c.id) + "/upper"}, {"WorkDir", paths_.container(c.id) + "/work"}}}}}};
  if (has_health_check(c.request.health))
    j["State"]["Health"] = ordered_json::parse(health_json(c.id, container.state.health));
  if (with_size) {
    ContainerSize s = size(c.id);
    j["SizeRw"] = s.writable;
    j["SizeRootFs"] = s.virtual_;
  }
  j["Mounts"] = mounts_json(c, paths_.volumes());
  j["Config"] = config_json(c);
  j["NetworkSettings"] = network_json(container);
  return dump(j);
}

std::string LocalEngine::inspect_image_json(const std::string& name) {
  ImageDetail detail = inspect_image(name);
  auto config = oci::parse_image_config(detail.config_json);
  ordered_json layers = ordered_json::array();
  for (const auto& diff : detail.diff_ids) layers.push_back(diff);
  ordered_json tags = ordered_json::array();
  for (const auto& full : detail.summary.repo_tags) tags.push_back(oci::Reference::parse(full).familiar());
  ordered_json image_config = {{"User", config.user},
                               {"Env", array_or_null(config.env)},
                               {"Cmd", array_or_null(config.cmd)},
                               {"Entrypoint", array_or_null(config.entrypoint)},
                               {"WorkingDir", config.working_dir},
                               {"Volumes", config.volumes.empty() ? ordered_json() : set(config.volumes)},
                               {"Labels", config.labels.empty() ? ordered_json() : map(config.labels)},
                               {"StopSignal", config.stop_signal}};
  if (!config.exposed_ports.empty()) image_config["ExposedPorts"] = set(config.exposed_ports);
  if (auto health = oci::parse_health_check(detail.config_json); !health.test.empty())
    image_config["Healthcheck"] = healthcheck_json(health);
  ordered_json j = {{"Id", detail.summary.id},
                    {"RepoTags", tags},
                    {"RepoDigests", array(detail.summary.repo_digests)},
                    {"Parent", ""},
                    {"Comment", config.history.empty() ? "" : config.history.back().comment},
                    {"Created", config.created},
                    {"Author", config.author},
                    {"Config", image_config},
                    {"Architecture", config.platform.architecture},
                    {"Variant", config.platform.variant},
                    {"Os", config.platform.os},
                    {"Size", detail.summary.size},
                    {"VirtualSize", detail.summary.size},
                    {"GraphDriver", {{"Name", "overlay"}, {"Data", nullptr}}},
                    {"RootFS", {{"Type", "layers"}, {"Layers", layers}}},
                    {"Metadata", {{"LastTagTime", "0001-01-01T00:00:00Z"}}},
                    {"Descriptor", {{"digest", detail.summary.manifest_digest}}}};
  return dump(j);
}

}  // namespace servin::engine
