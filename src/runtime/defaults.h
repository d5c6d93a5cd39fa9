// SPDX-License-Identifier: Apache-2.0
// What a container gets when nothing else is asked for (docs/security.md has the reasons), as parts from which the
// engine puts an oci::RuntimeSpec together. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/runtime_spec.h"

namespace servin::runtime {

constexpr std::int64_t default_pids_limit = 2048;

/// CHOWN DAC_OVERRIDE FSETID FOWNER SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL, as "CAP_..."
std::vector<std::string> default_capabilities();
/// The default set with --cap-add and --cap-drop (case and "CAP_" do not matter, ALL = every one of `host`, the
/// bounding set of this host as "CAP_..." names). Docker's order: "--cap-drop ALL --cap-add X" leaves X. Unknown names
/// are invalid_argument/E-CAP-UNKNOWN with a hint; what the host itself lacks is failed_precondition.
std::vector<std::string> resolve_capabilities(std::span<const std::string> add, std::span<const std::string> drop,
                                              bool privileged, std::span<const std::string> host);
/// The same set in all places of the spec where it belongs: bounding, permitted, effective.
oci::SpecCapabilities spec_capabilities(const std::vector<std::string>& set);

struct MountDefaults {
  std::uint64_t shm_size = 64U << 20U;
  bool privileged = false;  // /sys and cgroup writable
  bool host_ipc = false;    // the host's /dev/shm is bound
  bool no_shm = false;      // none ipc: nothing at /dev/shm
  std::string join_shm;     // container:NAME ipc: folder of the other's /dev/shm ("" = an own one)
  bool cgroup = true;       // /sys/fs/cgroup
};
/// /proc, /dev, /dev/pts, /sys, /sys/fs/cgroup, /dev/mqueue, /dev/shm, in the order in which they are mounted.
std::vector<oci::SpecMount> default_mounts(const MountDefaults& options);
/// The user's mounts in the order in which they must be made: parents first.
void sort_mounts(std::vector<oci::SpecMount>& mounts);

std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();
/// net.ipv4.ping_group_range, net.ipv4.ip_unprivileged_port_start; empty with the host's network.
std::map<std::string, std::string> default_sysctls(bool host_network);

/// null zero full random urandom tty: made by the runtime itself in /dev; these are the rules of the device filter for
/// them, for the ptys and for mknod of anything (which is not yet use).
std::vector<oci::SpecDeviceRule> default_device_rules();
std::vector<oci::SpecDeviceRule> allow_all_devices();
/// "c 1:3 rwm", "b 8:* r", "a *:* rwm" (docker's --device-cgroup-rule). Throws invalid_argument.
oci::SpecDeviceRule parse_device_rule(std::string_view text);

struct DeviceRequest {
  std::string host_path, container_path, permissions;
};
struct ResolvedDevices {
  std::vector<oci::SpecDevice> devices;
  std::vector<oci::SpecDeviceRule> rules;
};
/// --device: looks the host's node up; a folder brings all nodes below it. Throws not_found/E-DEVICE-NOT-FOUND when it
/// is not there.
ResolvedDevices resolve_device(const DeviceRequest& request);
/// Every device node below the host's /dev (--privileged).
std::vector<oci::SpecDevice> all_host_devices();

/// "nofile" -> "RLIMIT_NOFILE"; throws invalid_argument with the known names.
std::string rlimit_type(std::string_view name);

/// Spec namespaces. `paths`: type -> "" (new) or a path; types that are missing stay the host's.
std::vector<oci::SpecNamespace> spec_namespaces(const std::map<std::string, std::string>& paths);

}  // namespace servin::runtime
