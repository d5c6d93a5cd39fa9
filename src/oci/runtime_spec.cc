// SPDX-License-Identifier: Apache-2.0
#include "oci/runtime_spec.h"

#include <nlohmann/json.hpp>

namespace servin::oci {
namespace {

// Fields in the order of the specification.
using Json = nlohmann::ordered_json;

Json json_of(const SpecCapabilities& c) {
  return {{"bounding", c.bounding},
          {"effective", c.effective},
          {"inheritable", c.inheritable},
          {"permitted", c.permitted},
          {"ambient", c.ambient}};
}

Json json_of(const SpecProcess& p) {
  Json j;
  j["terminal"] = p.terminal;
  if (p.console_rows != 0 || p.console_columns != 0)
    j["consoleSize"] = {{"height", p.console_rows}, {"width", p.console_columns}};
  j["user"] = {{"uid", p.uid}, {"gid", p.gid}};
  if (p.umask) j["user"]["umask"] = *p.umask;
  if (!p.additional_gids.empty()) j["user"]["additionalGids"] = p.additional_gids;
  j["args"] = p.args;
  j["env"] = p.env;
  j["cwd"] = p.cwd;
  j["capabilities"] = json_of(p.capabilities);
  if (!p.rlimits.empty()) {
    Json list = Json::array();
    for (const auto& r : p.rlimits) list.push_back({{"type", r.type}, {"hard", r.hard}, {"soft", r.soft}});
    j["rlimits"] = std::move(list);
  }
  j["noNewPrivileges"] = p.no_new_privileges;
  if (p.oom_score_adj) j["oomScoreAdj"] = *p.oom_score_adj;
  return j;
}

Json json_of(const SpecMount& m) {
  Json j;
  j["destination"] = m.destination;
  if (!m.type.empty()) j["type"] = m.type;
  if (!m.source.empty()) j["source"] = m.source;
  if (!m.options.empty()) j["options"] = m.options;
  return j;
}

Json json_of(const SpecNamespace& n) {
  Json j;
  j["type"] = n.type;
  if (!n.path.empty()) j["path"] = n.path;
  return j;
}

Json json_of(const SpecDevice& d) {
  Json j;
  j["type"] = d.type;
  j["path"] = d.path;
  if (d.type != "p") {
    j["major"] = d.major;
    j["minor"] = d.minor;
  }
  j["fileMode"] = d.file_mode;
  j["uid"] = d.uid;
  j["gid"] = d.gid;
  return j;
}

Json json_of(const SpecDeviceRule& r) {
  Json j;
  j["allow"] = r.allow;
  j["type"] = r.type;
  if (r.major) j["major"] = *r.major;
  if (r.minor) j["minor"] = *r.minor;
  j["access"] = r.access;
  return j;
}

template <typename T>
void put(Json& j, const char* key, const std::optional<T>& value) {
  if (value) j[key] = *value;
}
void put(Json& j, const char* key, const std::string& value) {
  if (!value.empty()) j[key] = value;
}
template <typename List>
Json list_of(const List& items) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(json_of(item));
  return list;
}

Json memory_of(const SpecResources& r) {
  Json j = Json::object();
  put(j, "limit", r.memory_limit);
  put(j, "reservation", r.memory_reservation);
  put(j, "swap", r.memory_swap);
  put(j, "disableOOMKiller", r.oom_kill_disable);
  return j;
}

Json cpu_of(const SpecResources& r) {
  Json j = Json::object();
  put(j, "shares", r.cpu_shares);
  put(j, "quota", r.cpu_quota);
  put(j, "period", r.cpu_period);
  put(j, "cpus", r.cpuset_cpus);
  put(j, "mems", r.cpuset_mems);
  return j;
}

Json json_of(const SpecResources& r) {
  Json j = Json::object();
  if (!r.devices.empty()) j["devices"] = list_of(r.devices);
  if (Json memory = memory_of(r); !memory.empty()) j["memory"] = std::move(memory);
  if (Json cpu = cpu_of(r); !cpu.empty()) j["cpu"] = std::move(cpu);
  if (r.pids_limit) j["pids"] = {{"limit", *r.pids_limit}};
  if (r.blkio_weight) j["blockIO"] = {{"weight", *r.blkio_weight}};
  return j;
}

Json maps_of(const std::vector<SpecIdMap>& maps) {
  Json list = Json::array();
  for (const auto& m : maps) list.push_back({{"containerID", m.container_id}, {"hostID", m.host_id}, {"size", m.size}});
  return list;
}

Json linux_of(const RuntimeSpec& s) {
  Json j;
  if (!s.uid_mappings.empty()) j["uidMappings"] = maps_of(s.uid_mappings);
  if (!s.gid_mappings.empty()) j["gidMappings"] = maps_of(s.gid_mappings);
  if (!s.sysctl.empty()) j["sysctl"] = s.sysctl;
  put(j, "cgroupsPath", s.cgroups_path);
  j["resources"] = json_of(s.resources);
  j["namespaces"] = list_of(s.namespaces);
  if (!s.devices.empty()) j["devices"] = list_of(s.devices);
  // The built-in profile has no form in the specification; a profile of the user's is given as it was written.
  if (s.seccomp.profile != "default" && s.seccomp.profile != "unconfined") {
    Json profile = Json::parse(s.seccomp.profile, nullptr, false);
    if (profile.is_object() && profile.contains("defaultAction")) j["seccomp"] = std::move(profile);
  }
  put(j, "rootfsPropagation", s.rootfs_propagation);
  if (!s.masked_paths.empty()) j["maskedPaths"] = s.masked_paths;
  if (!s.readonly_paths.empty()) j["readonlyPaths"] = s.readonly_paths;
  return j;
}

}  // namespace

std::string to_json(const RuntimeSpec& s) {
  Json j;
  j["ociVersion"] = s.oci_version;
  j["process"] = json_of(s.process);
  j["root"] = {{"path", s.root_path}, {"readonly", s.root_readonly}};
  put(j, "hostname", s.hostname);
  put(j, "domainname", s.domainname);
  j["mounts"] = list_of(s.mounts);
  if (!s.annotations.empty()) j["annotations"] = s.annotations;
  j["linux"] = linux_of(s);
  // Environment and labels may hold bytes that are no UTF-8: replaced, not thrown over.
  return j.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace servin::oci
