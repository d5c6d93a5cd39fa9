// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/namespace_runtime.h"

#include <algorithm>

#include "base/strings.h"
#include "os/file.h"
#include "runtime/linux/cgroup.h"
#include "runtime/linux/cgroup_plan.h"
#include "runtime/linux/launch.h"
#include "runtime/linux/plan.h"
#include "runtime/linux/seccomp_profile.h"

namespace servin::runtime {
namespace {

// "key 123" lines: cpu.stat, memory.stat, memory.events ...
std::uint64_t keyed_value(const std::string& text, std::string_view key) {
  for (const auto& line : split(text, '\n'))
    if (auto pair = split_once(line, ' '); pair && pair->first == key) return parse_u64(trim(pair->second)).value_or(0);
  return 0;
}

std::string control(const CgroupPlan& plan, const char* file) {
  return read_file(plan.dir() + "/" + file).value_or("");
}

std::uint64_t number_in(const CgroupPlan& plan, const char* file) {
  return parse_u64(trim(control(plan, file))).value_or(0);
}

void memory_stats(const CgroupPlan& plan, Usage& out) {
  std::uint64_t used = number_in(plan, plan.v2 ? "memory.current" : "memory.usage_in_bytes");
  std::uint64_t cache = keyed_value(control(plan, "memory.stat"), plan.v2 ? "inactive_file" : "total_inactive_file");
  out.memory = used > cache ? used - cache : 0;
  out.memory_limit = number_in(plan, plan.v2 ? "memory.max" : "memory.limit_in_bytes");
  if (out.memory_limit >= (std::uint64_t{1} << 62)) out.memory_limit = 0;  // v1's "no limit"
}

// "8:0 rbytes=1 wbytes=2 ..." (v2) or "8:0 Read 1" (v1)
void disk_stats(const CgroupPlan& plan, Usage& out) {
  for (const auto& line : split(control(plan, plan.v2 ? "io.stat" : "blkio.throttle.io_service_bytes"), '\n')) {
    auto words = split(line, ' ');
    if (!plan.v2 && words.size() == 3) {
      std::uint64_t n = parse_u64(words[2]).value_or(0);
      if (words[1] == "Read") out.read_bytes += n;
      if (words[1] == "Write") out.written_bytes += n;
    }
    for (const auto& word : words) {
      if (word.starts_with("rbytes=")) out.read_bytes += parse_u64(word.substr(7)).value_or(0);
      if (word.starts_with("wbytes=")) out.written_bytes += parse_u64(word.substr(7)).value_or(0);
    }
  }
}

}  // namespace

std::unique_ptr<NamespaceRuntime> make_namespace_runtime(const std::string& cache_dir) {
  return std::make_unique<NamespaceRuntime>(probe_host(), cache_dir);
}

Prepared NamespaceRuntime::prepare(const PrepareRequest& request) {
  Planned planned = plan(request, facts_);
  const std::string& profile = request.spec.seccomp.profile;
  if (profile != "default" && profile != "unconfined")
    planned.plan.seccomp = compile_seccomp(profile, planned.plan.caps, cache_dir_);
  return {planned.plan.bytes(), std::move(planned.warnings)};
}

void NamespaceRuntime::clean_up(const std::string& plan) { remove_cgroups(LaunchPlan::parse(plan).cgroups); }
void NamespaceRuntime::pause(const std::string& plan) { freeze_cgroups(LaunchPlan::parse(plan).cgroups, true); }
void NamespaceRuntime::unpause(const std::string& plan) { freeze_cgroups(LaunchPlan::parse(plan).cgroups, false); }
bool NamespaceRuntime::is_paused(const std::string& plan) { return cgroups_frozen(LaunchPlan::parse(plan).cgroups); }
std::vector<pid_t> NamespaceRuntime::processes(const std::string& plan) {
  return cgroup_processes(LaunchPlan::parse(plan).cgroups);
}
void NamespaceRuntime::kill_all(const std::string& plan, int signal) {
  signal_cgroups(LaunchPlan::parse(plan).cgroups, signal);
}

Usage NamespaceRuntime::usage(const std::string& plan_bytes) {
  LaunchPlan plan = LaunchPlan::parse(plan_bytes);
  Usage out;
  if (const auto* p = find_cgroup(plan.cgroups, "cpuacct"))
    out.cpu_ns = p->v2 ? keyed_value(control(*p, "cpu.stat"), "usage_usec") * 1000 : number_in(*p, "cpuacct.usage");
  if (const auto* p = find_cgroup(plan.cgroups, "memory")) memory_stats(*p, out);
  if (const auto* p = find_cgroup(plan.cgroups, "pids")) {
    out.pids = number_in(*p, "pids.current");
    out.pids_limit = number_in(*p, "pids.max");
  }
  if (const auto* p = find_cgroup(plan.cgroups, "blkio")) disk_stats(*p, out);
  return out;
}

Prepared NamespaceRuntime::update(const std::string& plan_bytes, const oci::SpecResources& limits) {
  LaunchPlan plan = LaunchPlan::parse(plan_bytes);
  if (plan.cgroups.empty()) throw Error(ErrorCode::failed_precondition, "the container has no cgroup");
  Prepared out;
  std::vector<CgroupPlan> fresh;
  for (auto& wanted : plan_cgroups(plan.cgroups.front().path, limits, facts_, out.warnings)) {
    auto known = std::find_if(plan.cgroups.begin(), plan.cgroups.end(),
                              [&](const CgroupPlan& p) { return p.mount == wanted.mount; });
    if (known == plan.cgroups.end()) {
      fresh.push_back(std::move(wanted));
      continue;
    }
    change_limits(wanted);
    known->controllers = std::move(wanted.controllers);
  }
  // A hierarchy that had nothing to limit so far has no folder of the container.
  make_cgroups(fresh);
  move_processes(plan.cgroups, fresh);
  for (auto& added : fresh) plan.cgroups.push_back(std::move(added));
  out.plan = plan.bytes();
  return out;
}

std::uint64_t oom_kills(const LaunchPlan& plan) {
  const CgroupPlan* p = find_cgroup(plan.cgroups, "memory");
  if (p == nullptr) return 0;
  return keyed_value(control(*p, p->v2 ? "memory.events" : "memory.oom_control"), "oom_kill");
}

}  // namespace servin::runtime
