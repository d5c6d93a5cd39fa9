// SPDX-License-Identifier: Apache-2.0
// What this host can do, looked up once and passed in, so that a test can pretend to be another kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linux/capabilities.h"
#include "linux/cgroup_layout.h"

namespace servin::runtime {

struct HostLimit {
  std::uint64_t soft = 0, hard = 0;
};

struct HostFacts {
  kernel::CapSet caps = 0;  // bounding set
  std::vector<kernel::CgroupHierarchy> cgroups;
  bool swap_accounting = false;  // v1 memory.memsw.*, v2 memory.swap.max
  HostLimit limits[16];          // by RLIMIT_* number
  int oom_score_adj = 0;         // our own: without SYS_RESOURCE nobody goes below it
  bool has_cap(int number) const { return (caps & kernel::cap_bit(number)) != 0; }
};

HostFacts probe_host();

}  // namespace servin::runtime
