// SPDX-License-Identifier: Apache-2.0
// OCI runtime-spec 1.2 as data, what a bundle's config.json says: the part that Linux containers use. Names follow the
// spec.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace servin::oci {

struct SpecMount {
  std::string destination, type, source;
  std::vector<std::string> options;
  // Beyond the standard; config.json does not show them.
  std::string subpath = {};              // of the source, resolved inside it at launch
  bool owner_to_user = false;            // ids are mapped so that the source's owner is the container's user
  std::vector<std::string> lowers = {};  // type overlay: folders, highest first
};

struct SpecRlimit {
  std::string type;  // RLIMIT_NOFILE
  std::uint64_t soft = 0, hard = 0;
};

struct SpecCapabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;  // CAP_...
};

struct SpecProcess {
  bool terminal = false;
  std::uint16_t console_rows = 0, console_columns = 0;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> additional_gids;
  std::optional<std::uint32_t> umask;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  SpecCapabilities capabilities;
  std::vector<SpecRlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<int> oom_score_adj;
};

struct SpecNamespace {
  std::string type;  // pid, network, mount, ipc, uts, user, cgroup
  std::string path;  // "" = a new one
};

struct SpecDevice {
  std::string type, path;  // c, b, u, p
  std::int64_t major = 0, minor = 0;
  std::uint32_t file_mode = 0666, uid = 0, gid = 0;
};

struct SpecDeviceRule {
  bool allow = false;
  std::string type = "a";  // a, c, b
  std::optional<std::int64_t> major, minor;
  std::string access = "rwm";
};

struct SpecResources {
  std::vector<SpecDeviceRule> devices;
  std::optional<std::int64_t> memory_limit, memory_swap, memory_reservation;
  std::optional<bool> oom_kill_disable;
  std::optional<std::uint64_t> cpu_shares, cpu_period;
  std::optional<std::int64_t> cpu_quota;
  std::string cpuset_cpus, cpuset_mems;
  std::optional<std::int64_t> pids_limit;
  std::optional<std::uint16_t> blkio_weight;
};

struct SpecSeccomp {
  /// "default": the built-in profile, compiled at build time; "unconfined"; else the profile's JSON (OCI linux.seccomp
  /// or docker's form).
  std::string profile = "default";
};

struct SpecIdMap {
  std::uint32_t container_id = 0, host_id = 0, size = 0;
};

struct RuntimeSpec {
  std::string oci_version = "1.2.0";
  SpecProcess process;
  std::string root_path;
  bool root_readonly = false;
  std::string hostname, domainname;
  std::vector<SpecMount> mounts;
  std::map<std::string, std::string> annotations;
  // linux
  std::vector<SpecNamespace> namespaces;
  std::vector<SpecIdMap> uid_mappings, gid_mappings;
  std::vector<SpecDevice> devices;
  std::string cgroups_path;
  SpecResources resources;
  SpecSeccomp seccomp;
  std::map<std::string, std::string> sysctl;
  std::vector<std::string> masked_paths, readonly_paths;
  std::string rootfs_propagation;
};

}  // namespace servin::oci
