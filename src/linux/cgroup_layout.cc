// SPDX-License-Identifier: Apache-2.0
#include "linux/cgroup_layout.h"

#include <array>

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/strings.h"
#include "linux/mount_table.h"
#include "os/file.h"

namespace servin::kernel {
namespace {

constexpr std::array<std::string_view, 13> v1_controllers = {"cpu",      "cpuacct",    "cpuset", "memory",  "devices",
                                                             "freezer",  "blkio",      "pids",   "hugetlb", "net_cls",
                                                             "net_prio", "perf_event", "rdma"};

bool is_controller(std::string_view word) {
  for (auto c : v1_controllers)
    if (c == word) return true;
  return false;
}

CgroupHierarchy parse_v1(std::string mount, std::string_view super_options) {
  CgroupHierarchy h;
  h.mount = std::move(mount);
  for (const auto& word : split(super_options, ',')) {
    if (is_controller(word)) h.controllers.push_back(word);
    if (word.starts_with("name=")) h.name = word.substr(5);
  }
  return h;
}

// In the order of mounting, each as often as it is mounted.
std::vector<CgroupHierarchy> cgroup_mounts(const std::vector<MountEntry>& table) {
  std::vector<CgroupHierarchy> out;
  for (const auto& entry : table) {
    if (entry.type == "cgroup") out.push_back(parse_v1(entry.point, entry.super_options));
    if (entry.type != "cgroup2") continue;
    CgroupHierarchy h;
    h.v2 = true;
    h.mount = entry.point;
    out.push_back(std::move(h));
  }
  return out;
}

std::vector<CgroupHierarchy> each_once(std::vector<CgroupHierarchy> mounts) {
  std::vector<CgroupHierarchy> out;
  for (auto& h : mounts) {
    bool known = false;
    for (const auto& other : out)
      known = known || (other.v2 == h.v2 && other.controllers == h.controllers && other.name == h.name);
    if (!known) out.push_back(std::move(h));
  }
  return out;
}

// Another file system may have been mounted on top since.
bool is_visible(const CgroupHierarchy& h) {
  struct statfs st{};
  if (::statfs(h.mount.c_str(), &st) != 0) return false;
  return st.f_type == (h.v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

}  // namespace

std::vector<CgroupHierarchy> parse_cgroup_mounts(std::string_view mountinfo) {
  return each_once(cgroup_mounts(parse_mount_table(mountinfo)));
}

std::vector<CgroupHierarchy> cgroup_hierarchies() {
  auto mounts = cgroup_mounts(mount_table());
  std::erase_if(mounts, [](const CgroupHierarchy& h) { return !is_visible(h); });
  auto out = each_once(std::move(mounts));
  for (auto& h : out) {
    if (!h.v2) continue;
    for (auto& word : split(trim(read_file(h.mount + "/cgroup.controllers").value_or("")), ' '))
      if (!word.empty()) h.controllers.push_back(std::move(word));
  }
  return out;
}

std::string layout_name(const std::vector<CgroupHierarchy>& hierarchies) {
  bool v1 = false, v2 = false;
  for (const auto& h : hierarchies) (h.v2 ? v2 : v1) = true;
  if (v1 && v2) return "hybrid";
  return v1 ? "v1" : v2 ? "v2" : "none";
}

}  // namespace servin::kernel
