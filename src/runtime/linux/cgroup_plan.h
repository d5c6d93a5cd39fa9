// SPDX-License-Identifier: Apache-2.0
// Which cgroup folders a container gets, and the files written into them.
#pragma once

#include <string>
#include <vector>

#include "oci/runtime_spec.h"
#include "runtime/linux/plan.h"
#include "runtime/linux/probe.h"

namespace servin::runtime {

/// Below our own folder: absolute, no "..", no empty or hidden parts, only [a-zA-Z0-9_.:@+-]. Throws invalid_argument.
void check_cgroup_path(std::string_view path);
/// Pure. Limits that no hierarchy of this host can hold are failed_precondition, and so are rules that keep devices
/// away where neither the v1 controller nor a v2 tree (for a BPF program) is there.
std::vector<CgroupPlan> plan_cgroups(const std::string& path, const oci::SpecResources& resources,
                                     const HostFacts& facts, std::vector<std::string>& warnings);
/// cgroup v1's io weight 10..1000 and cpu shares on v2's scales.
std::uint64_t v2_cpu_weight(std::uint64_t shares);
/// "c 1:3 rwm"
std::string device_rule_text(const oci::SpecDeviceRule& rule);

}  // namespace servin::runtime
