// SPDX-License-Identifier: Apache-2.0
// Which cgroup hierarchies this host has: all v1 controllers on mounts of their own, v2 alone, or both (hybrid).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::kernel {

struct CgroupHierarchy {
  bool v2 = false;
  std::string mount;                     // /sys/fs/cgroup/memory
  std::vector<std::string> controllers;  // v1: memory; cpu,cpuacct. v2: what cgroup.controllers of its root lists
  std::string name;                      // v1 named hierarchies without controllers: "systemd"
  bool operator==(const CgroupHierarchy&) const = default;
};

/// Pure: from the text of /proc/self/mountinfo. v2 controllers are not filled in.
std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo);
/// From this host.
std::vector<CgroupHierarchy> cgroup_hierarchies();
/// "v1", "v2", "hybrid" or "none".
std::string layout_name(const std::vector<CgroupHierarchy>& hierarchies);

}  // namespace servin::kernel
