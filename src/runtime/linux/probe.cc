// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/probe.h"

#include <sys/resource.h>

#include "base/strings.h"
#include "os/file.h"

namespace servin::runtime {
namespace {

bool counts_swap(const std::vector<kernel::CgroupHierarchy>& hierarchies) {
  for (const auto& h : hierarchies) {
    for (const auto& c : h.controllers)
      if (c == "memory" && !h.v2) return path_exists(h.mount + "/memory.memsw.limit_in_bytes");
  }
  // v2's file exists in every folder but the root; without swap accounting in the kernel it does not.
  return path_exists("/proc/swaps");
}

}  // namespace

HostFacts probe_host() {
  HostFacts facts;
  facts.caps = kernel::bounding_caps() & kernel::effective_caps();
  facts.cgroups = kernel::cgroup_hierarchies();
  facts.swap_accounting = counts_swap(facts.cgroups);
  for (int i = 0; i < 16; ++i) {
    rlimit limit{};
    if (::getrlimit(static_cast<__rlimit_resource>(i), &limit) == 0) facts.limits[i] = {limit.rlim_cur, limit.rlim_max};
  }
  if (auto text = read_file("/proc/self/oom_score_adj")) {
    if (auto n = parse_i64(trim(*text))) facts.oom_score_adj = static_cast<int>(*n);
  }
  return facts;
}

}  // namespace servin::runtime
