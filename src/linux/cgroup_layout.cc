// SPDX-License-Identifier: Apache-2.0
#include "linux/cgroup_layout.h"

#include <array>

#include <linux/magic.h>
#include <sys/vfs.h>

#include "base/strings.h"
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

// mountinfo writes space, tab, new line and backslash as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
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
std::vector<CgroupHierarchy> all_mounts(std::string_view mountinfo) {
  std::vector<CgroupHierarchy> out;
  for (const auto& line : split(mountinfo, '\n')) {
    // id parent dev root MOUNT options [optional...] - TYPE source SUPER
    auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    auto left = split(std::string_view(line).substr(0, dash), ' ');
    auto right = split(std::string_view(line).substr(dash + 3), ' ');
    if (left.size() < 6 || right.size() < 3) continue;
    if (right[0] != "cgroup" && right[0] != "cgroup2") continue;
    CgroupHierarchy h;
    if (right[0] == "cgroup2") {
      h.v2 = true;
      h.mount = unescape(left[4]);
    } else {
      h = parse_v1(unescape(left[4]), right[2]);
    }
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
  return each_once(all_mounts(mountinfo));
}

std::vector<CgroupHierarchy> cgroup_hierarchies() {
  auto mounts = all_mounts(read_file("/proc/self/mountinfo", 16U << 20U).value_or(""));
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
