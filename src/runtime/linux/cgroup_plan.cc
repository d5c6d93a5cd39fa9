// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/cgroup_plan.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/defaults.h"
#include "runtime/linux/device_bpf.h"

namespace servin::runtime {
namespace {

using Files = std::vector<KeyValue>;

bool carries(const CgroupPlan& plan, std::string_view controller) {
  return std::find(plan.controllers.begin(), plan.controllers.end(), controller) != plan.controllers.end();
}

std::string number(auto value) { return std::to_string(value); }
std::string or_max(std::int64_t value) { return value < 0 ? "max" : number(value); }

// A limit of memory alone would only move its user to swap: as much again and no more, as docker has it.
std::optional<std::int64_t> swap_limit(const oci::SpecResources& r) {
  if (r.memory_swap || !r.memory_limit || *r.memory_limit < 0) return r.memory_swap;
  constexpr std::int64_t half = std::int64_t{1} << 61;
  return *r.memory_limit > half ? std::optional<std::int64_t>() : *r.memory_limit * 2;
}

void memory_v1(const oci::SpecResources& r, bool swap, Files& out) {
  // The limit of memory + swap may never be below that of memory: with both, memory first; raising is not needed, the
  // folder is new.
  if (r.memory_limit) out.push_back({"memory.limit_in_bytes", number(*r.memory_limit)});
  if (auto limit = swap_limit(r); limit && swap) out.push_back({"memory.memsw.limit_in_bytes", number(*limit)});
  if (r.memory_reservation) out.push_back({"memory.soft_limit_in_bytes", number(*r.memory_reservation)});
  if (r.oom_kill_disable.value_or(false)) out.push_back({"memory.oom_control", "1"});
}

void memory_v2(const oci::SpecResources& r, bool swap, Files& out) {
  if (r.memory_limit) out.push_back({"memory.max", or_max(*r.memory_limit)});
  if (r.memory_reservation) out.push_back({"memory.low", or_max(*r.memory_reservation)});
  auto limit = swap_limit(r);
  if (!limit || !swap) return;
  // v2 counts swap alone, the spec memory + swap.
  std::int64_t only_swap = *limit < 0 ? -1 : *limit - r.memory_limit.value_or(0);
  out.push_back({"memory.swap.max", or_max(only_swap)});
}

void cpu_v1(const oci::SpecResources& r, Files& out) {
  if (r.cpu_shares) out.push_back({"cpu.shares", number(*r.cpu_shares)});
  if (r.cpu_period) out.push_back({"cpu.cfs_period_us", number(*r.cpu_period)});
  if (r.cpu_quota) out.push_back({"cpu.cfs_quota_us", number(*r.cpu_quota)});
}

void cpu_v2(const oci::SpecResources& r, Files& out) {
  if (r.cpu_shares) out.push_back({"cpu.weight", number(v2_cpu_weight(*r.cpu_shares))});
  if (!r.cpu_quota && !r.cpu_period) return;
  std::string quota = r.cpu_quota ? or_max(*r.cpu_quota) : "max";
  out.push_back({"cpu.max", quota + " " + number(r.cpu_period.value_or(100000))});
}

void cpuset_files(const oci::SpecResources& r, Files& out) {
  if (!r.cpuset_cpus.empty()) out.push_back({"cpuset.cpus", r.cpuset_cpus});
  if (!r.cpuset_mems.empty()) out.push_back({"cpuset.mems", r.cpuset_mems});
}

void devices_v1(const oci::SpecResources& r, Files& out) {
  for (const auto& rule : r.devices)
    out.push_back({rule.allow ? "devices.allow" : "devices.deny", device_rule_text(rule)});
}

// Which controllers a container needs: those that count it, and those with a limit. Each further hierarchy costs a
// mkdir and a join.
std::vector<std::string> wanted_controllers(const oci::SpecResources& r) {
  std::vector<std::string> out = {"memory", "pids", "cpuacct", "freezer"};
  if (!r.devices.empty()) out.emplace_back("devices");
  if (r.cpu_shares || r.cpu_period || r.cpu_quota) out.emplace_back("cpu");
  if (!r.cpuset_cpus.empty() || !r.cpuset_mems.empty()) out.emplace_back("cpuset");
  if (r.blkio_weight) out.emplace_back("blkio");
  return out;
}

void add_v1_files(CgroupPlan& plan, const oci::SpecResources& r, const HostFacts& facts) {
  if (carries(plan, "memory")) memory_v1(r, facts.swap_accounting, plan.files);
  if (carries(plan, "cpu")) cpu_v1(r, plan.files);
  if (carries(plan, "cpuset")) cpuset_files(r, plan.files);
  if (carries(plan, "pids") && r.pids_limit) plan.files.push_back({"pids.max", or_max(*r.pids_limit)});
  if (carries(plan, "devices")) devices_v1(r, plan.files);
  if (carries(plan, "blkio") && r.blkio_weight) plan.files.push_back({"blkio.weight", number(*r.blkio_weight)});
}

void add_v2_files(CgroupPlan& plan, const oci::SpecResources& r, const HostFacts& facts) {
  if (carries(plan, "memory")) memory_v2(r, facts.swap_accounting, plan.files);
  if (carries(plan, "cpu")) cpu_v2(r, plan.files);
  if (carries(plan, "cpuset")) cpuset_files(r, plan.files);
  if (carries(plan, "pids") && r.pids_limit) plan.files.push_back({"pids.max", or_max(*r.pids_limit)});
  if (carries(plan, "io") && r.blkio_weight) {
    std::uint64_t weight = 1 + (std::uint64_t{*r.blkio_weight} - 10) * 9999 / 990;
    plan.files.push_back({"io.weight", "default " + number(weight)});
  }
}

std::string v2_name(const std::string& controller) { return controller == "blkio" ? "io" : controller; }

bool v1_carries(const HostFacts& facts, std::string_view controller) {
  return std::any_of(facts.cgroups.begin(), facts.cgroups.end(), [&](const kernel::CgroupHierarchy& h) {
    return !h.v2 && std::find(h.controllers.begin(), h.controllers.end(), controller) != h.controllers.end();
  });
}

// Do the rules keep any device away?
bool closes_devices(const std::vector<oci::SpecDeviceRule>& rules) {
  bool closed = false;
  for (const auto& rule : rules) {
    bool all = rule.type == "a" && !rule.major && !rule.minor && rule.access == "rwm";
    closed = all ? !rule.allow : closed || !rule.allow;
  }
  return closed;
}

bool available(const std::vector<CgroupPlan>& plans, const std::string& controller) {
  return std::any_of(plans.begin(), plans.end(),
                     [&](const CgroupPlan& p) { return carries(p, p.v2 ? v2_name(controller) : controller); });
}

void require(const std::vector<CgroupPlan>& plans, const std::string& controller, const std::string& what) {
  if (available(plans, controller)) return;
  throw error(ErrorCode::failed_precondition, "{} cannot be limited: this host has no {} cgroup controller", what,
              controller)
      .with_id("E-CGROUP-MISSING")
      .with_hint("leave the limit out, or enable the controller in the kernel");
}

// Without a filter the container would open any device that its image brings a node of: the host's disks, its memory.
void require_device_control(const std::vector<CgroupPlan>& plans, const oci::SpecResources& r) {
  bool kept = std::any_of(plans.begin(), plans.end(),
                          [](const CgroupPlan& p) { return p.v2 ? !p.devices_bpf.empty() : carries(p, "devices"); });
  if (kept || !closes_devices(r.devices)) return;
  throw Error(ErrorCode::failed_precondition,
              "devices cannot be kept from the container: this host has no devices cgroup controller and no cgroup2 "
              "tree")
      .with_id("E-CGROUP-MISSING")
      .with_hint("mount one: mount -t cgroup2 none /sys/fs/cgroup; or give the container all devices: --privileged");
}

void check_limits(const std::vector<CgroupPlan>& plans, const oci::SpecResources& r, const HostFacts& facts,
                  std::vector<std::string>& warnings) {
  if (r.memory_limit || r.memory_reservation) require(plans, "memory", "memory");
  if (r.cpu_shares || r.cpu_period || r.cpu_quota) require(plans, "cpu", "cpu time");
  if (!r.cpuset_cpus.empty() || !r.cpuset_mems.empty()) require(plans, "cpuset", "the set of cpus");
  if (r.blkio_weight) require(plans, "blkio", "the weight of disk access");
  if (r.memory_swap && !facts.swap_accounting)
    warnings.emplace_back("the limit of swap is not applied: this host does not count swap");
  if (!r.pids_limit || *r.pids_limit <= 0) return;
  // The engine's own limit is given where it can be; a limit that was asked for must hold.
  if (*r.pids_limit != default_pids_limit) return require(plans, "pids", "the number of processes");
  if (!available(plans, "pids"))
    warnings.emplace_back("the default limit of processes is not applied: this host has no pids cgroup controller");
}

}  // namespace

std::uint64_t v2_cpu_weight(std::uint64_t shares) {
  // 2..262144 onto 1..10000, as the kernel's own documentation maps them.
  shares = std::clamp<std::uint64_t>(shares, 2, 262144);
  return 1 + (shares - 2) * 9999 / 262142;
}

std::string device_rule_text(const oci::SpecDeviceRule& rule) {
  auto part = [](const std::optional<std::int64_t>& n) { return n ? std::to_string(*n) : std::string("*"); };
  if (rule.type == "a" && !rule.major && !rule.minor) return "a";
  return rule.type + " " + part(rule.major) + ":" + part(rule.minor) + " " + rule.access;
}

void check_cgroup_path(std::string_view path) {
  auto bad = [&] {
    return error(ErrorCode::invalid_argument, "cgroup path {} is not allowed", quoted(path))
        .with_hint("use parts of letters, digits and _ . : @ + - with / between, without . and ..");
  };
  if (path.size() < 2 || path.size() > 1024 || path[0] != '/') throw bad();
  for (const auto& part : split(path.substr(1), '/')) {
    if (part.empty() || part.size() > 255 || part[0] == '.' || part[0] == '-') throw bad();
    for (char c : part) {
      bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                std::string_view("_.:@+-").find(c) != std::string_view::npos;
      if (!ok) throw bad();
    }
    // Files of the kernel's own in every cgroup folder.
    for (std::string_view own : {"cgroup.", "memory.", "cpu.", "cpuset.", "pids.", "io.", "blkio.", "devices.",
                                 "freezer.", "cpuacct.", "hugetlb."})
      if (part.starts_with(own)) throw bad();
    if (part == "tasks" || part == "notify_on_release" || part == "release_agent") throw bad();
  }
}

std::vector<CgroupPlan> plan_cgroups(const std::string& path, const oci::SpecResources& resources,
                                     const HostFacts& facts, std::vector<std::string>& warnings) {
  check_cgroup_path(path);
  auto wanted = wanted_controllers(resources);
  // A hierarchy of v1 may be somebody else's alone (net_cls of a VPN): each need is looked for by itself.
  bool filter = closes_devices(resources.devices) && !v1_carries(facts, "devices");
  std::vector<CgroupPlan> plans;
  for (const auto& h : facts.cgroups) {
    CgroupPlan plan;
    plan.v2 = h.v2;
    plan.mount = h.mount;
    plan.path = path;
    bool useful = h.v2 && (filter || !v1_carries(facts, "freezer"));  // v2 freezes without any controller
    for (const auto& c : h.controllers) {
      bool want =
          std::any_of(wanted.begin(), wanted.end(), [&](const std::string& w) { return (h.v2 ? v2_name(w) : w) == c; });
      if (want || !h.v2) plan.controllers.push_back(c);
      useful = useful || want;
    }
    if (!useful) continue;
    if (h.v2) {
      add_v2_files(plan, resources, facts);
      if (filter) plan.devices_bpf = compile_device_filter(resources.devices);
    } else {
      add_v1_files(plan, resources, facts);
    }
    plans.push_back(std::move(plan));
  }
  require_device_control(plans, resources);
  check_limits(plans, resources, facts, warnings);
  return plans;
}

}  // namespace servin::runtime
