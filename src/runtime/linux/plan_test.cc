// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/plan.h"

#include <sched.h>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "runtime/defaults.h"
#include "runtime/linux/cgroup_plan.h"

namespace servin::runtime {
namespace {

using testing::Contains;
using testing::HasSubstr;

kernel::CgroupHierarchy v1(std::vector<std::string> controllers) {
  return {false, "/sys/fs/cgroup/" + controllers[0], controllers, ""};
}

HostFacts facts_v1() {
  HostFacts f;
  f.caps = (kernel::CapSet{1} << kernel::cap_count) - 1;
  for (const char* c : {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"})
    f.cgroups.push_back(v1({c}));
  f.cgroups.push_back({true, "/sys/fs/cgroup/unified", {"hugetlb"}, ""});
  f.swap_accounting = true;
  for (auto& l : f.limits) l = {1024, 4096};
  return f;
}

HostFacts facts_v2() {
  HostFacts f = facts_v1();
  f.cgroups = {{true, "/sys/fs/cgroup", {"cpuset", "cpu", "io", "memory", "pids"}, ""}};
  return f;
}

PrepareRequest request() {
  PrepareRequest r;
  r.id = new_id();
  r.spec.process.args = {"true"};
  r.spec.process.capabilities = spec_capabilities(default_capabilities());
  r.spec.namespaces = spec_namespaces({{"pid", ""}, {"network", ""}, {"mount", ""}, {"ipc", ""}, {"uts", ""}});
  r.spec.mounts = default_mounts({});
  r.spec.cgroups_path = "/servin-0/" + r.id;
  r.rootfs = {{"/l"}, "/u", "/w", false, "/m"};
  return r;
}

template <typename F>
Error refused(F&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e;
  }
  return Error(ErrorCode::internal, "");
}

TEST(Plan, IsTheSameAfterWritingAndReading) {
  auto q = request();
  q.spec.devices.push_back({"c", "/dev/fuse", 10, 229, 0600, 0, 0});
  q.spec.sysctl = default_sysctls(false);
  q.spec.resources.devices = default_device_rules();
  q.spec.resources.memory_limit = 1 << 20;
  q.copy_up = {{"/v", "/data"}};
  q.spec.process.oom_score_adj = 5;
  q.spec.process.rlimits = {{"RLIMIT_NOFILE", 10, 20}};
  auto p = plan(q, facts_v1()).plan;
  std::string bytes = p.bytes();
  LaunchPlan again = LaunchPlan::parse(bytes);
  EXPECT_EQ(again.bytes(), bytes);
  EXPECT_EQ(again.id, q.id);
  EXPECT_EQ(again.mounts.size(), q.spec.mounts.size());
  EXPECT_EQ(again.copy_up[0].target, "/data");
  EXPECT_EQ(again.rlimits[0].hard, 20U);
}

TEST(Plan, DamagedBytesAreAnError) {
  std::string bytes = plan(request(), facts_v1()).plan.bytes();
  for (std::size_t n = 0; n < bytes.size(); n += 7) EXPECT_THROW(LaunchPlan::parse(bytes.substr(0, n)), Error) << n;
  EXPECT_THROW(LaunchPlan::parse(bytes + "x"), Error);
}

TEST(Plan, RefusesBadIds) {
  for (const char* bad : {"", "abc", "../../etc", "x"}) {
    auto q = request();
    q.id = bad;
    EXPECT_THROW(plan(q, facts_v1()), Error) << bad;
  }
}

TEST(Plan, CgroupPathsStayBelowTheirMount) {
  for (const auto& bad :
       split("|/|x|a/b|/..|/../x|/a/../b|/a/..|/a//b|/a/|//a|/.|/./a|/a/./b|/.hidden|/a/.b|/-a|/a b|/a\nb|"
             "/a\tb|/a*|/a?b|/a$b|/a;b|/a\\b|/a'b|/a\"b|/ä|/tasks|/a/tasks|/memory.x|/cgroup.procs|/pids.max|"
             "/cpu.stat|/io.max|/release_agent|/notify_on_release|/a/devices.allow|/freezer.state|/blkio.x|"
             "/cpuset.cpus|/cpuacct.usage|/hugetlb.2MB.limit",
             '|'))
    EXPECT_THROW(check_cgroup_path(bad), Error) << bad;
  EXPECT_THROW(check_cgroup_path("/" + std::string(256, 'a')), Error);
  EXPECT_THROW(check_cgroup_path(std::string("/a\0b", 4)), Error);
  std::string deep;
  for (int i = 0; i < 600; ++i) deep += "/a";
  EXPECT_THROW(check_cgroup_path(deep), Error);
  for (const char* good : {"/a", "/servin-0a1b2c3d/x", "/a.b/c_d/e-f", "/user.slice/user-0.slice/x", "/a:b@c+d"})
    EXPECT_NO_THROW(check_cgroup_path(good)) << good;
}

TEST(Plan, CgroupsV1) {
  std::vector<std::string> warnings;
  oci::SpecResources r;
  r.memory_limit = 1048576;
  r.memory_swap = 2097152;
  r.pids_limit = 10;
  r.cpu_quota = 50000;
  r.cpu_period = 100000;
  r.cpuset_cpus = "0";
  r.blkio_weight = 100;
  r.devices = default_device_rules();
  auto plans = plan_cgroups("/a/b", r, facts_v1(), warnings);
  EXPECT_TRUE(warnings.empty());
  std::vector<std::string> lines;
  for (const auto& p : plans) {
    EXPECT_FALSE(p.v2);
    for (const auto& f : p.files) lines.push_back(p.dir() + "/" + f.key + "=" + f.value);
  }
  for (const char* want :
       {"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes=1048576",
        "/sys/fs/cgroup/memory/a/b/memory.memsw.limit_in_bytes=2097152", "/sys/fs/cgroup/pids/a/b/pids.max=10",
        "/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us=50000", "/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us=100000",
        "/sys/fs/cgroup/cpuset/a/b/cpuset.cpus=0", "/sys/fs/cgroup/blkio/a/b/blkio.weight=100",
        "/sys/fs/cgroup/devices/a/b/devices.deny=a", "/sys/fs/cgroup/devices/a/b/devices.allow=c 1:3 rwm",
        "/sys/fs/cgroup/devices/a/b/devices.allow=c 136:* rwm"})
    EXPECT_THAT(lines, Contains(want));
}

TEST(Plan, CgroupsV2) {
  std::vector<std::string> warnings;
  oci::SpecResources r;
  r.memory_limit = 1048576;
  r.memory_swap = 3145728;
  r.memory_reservation = 4096;
  r.pids_limit = -1;
  r.cpu_quota = 50000;
  r.cpu_shares = 1024;
  r.blkio_weight = 1000;
  r.devices = default_device_rules();
  auto plans = plan_cgroups("/a/b", r, facts_v2(), warnings);
  ASSERT_EQ(plans.size(), 1U);
  EXPECT_TRUE(plans[0].v2);
  EXPECT_FALSE(plans[0].devices_bpf.empty());
  std::vector<std::string> lines;
  for (const auto& f : plans[0].files) lines.push_back(f.key + "=" + f.value);
  EXPECT_THAT(lines,
              testing::ElementsAre("memory.max=1048576", "memory.low=4096", "memory.swap.max=2097152", "cpu.weight=39",
                                   "cpu.max=50000 100000", "pids.max=max", "io.weight=default 10000"));
  r = {};
  r.memory_limit = 4096;
  EXPECT_EQ(plan_cgroups("/a/b", r, facts_v2(), warnings)[0].files[1], (KeyValue{"memory.swap.max", "4096"}));
  EXPECT_EQ(v2_cpu_weight(2), 1U);
  EXPECT_EQ(v2_cpu_weight(262144), 10000U);
}

TEST(Plan, LimitsWithoutAControllerAreRefused) {
  HostFacts none = facts_v1();
  none.cgroups.clear();
  auto q = request();
  EXPECT_NO_THROW(plan(q, none));
  q.spec.resources.memory_limit = 1 << 20;
  EXPECT_EQ(refused([&] { plan(q, none); }).id(), "E-CGROUP-MISSING");
  q.spec.resources = {};
  q.spec.resources.pids_limit = 5;
  EXPECT_EQ(refused([&] { plan(q, none); }).id(), "E-CGROUP-MISSING");
  q.spec.resources.pids_limit = default_pids_limit;
  EXPECT_THAT(plan(q, none).warnings, Contains(HasSubstr("pids")));
  q.spec.resources.pids_limit = -1;
  EXPECT_TRUE(plan(q, none).warnings.empty());
}

// How devices are kept away with the hierarchies that are there: "v1", "bpf", "none" (all are open, by the rules) or
// the id of the error.
std::string device_control(std::vector<kernel::CgroupHierarchy> hierarchies,
                           std::vector<oci::SpecDeviceRule> rules = default_device_rules()) {
  HostFacts facts = facts_v1();
  facts.cgroups = std::move(hierarchies);
  oci::SpecResources r;
  r.devices = std::move(rules);
  std::vector<std::string> warnings;
  std::vector<CgroupPlan> plans;
  Error e = refused([&] { plans = plan_cgroups("/a/b", r, facts, warnings); });
  if (!e.id().empty()) return e.id();
  std::string found = "none";
  for (const auto& p : plans) {
    if (!p.devices_bpf.empty()) found = p.v2 && found == "none" ? "bpf" : "twice";
    for (const auto& f : p.files)
      if (f == KeyValue{"devices.deny", "a"}) found = !p.v2 && found == "none" ? "v1" : "twice";
  }
  return found;
}

TEST(Plan, DevicesAreKeptAwayInEveryLayout) {
  const kernel::CgroupHierarchy v2{true, "/sys/fs/cgroup", {"cpu", "io", "memory", "pids"}, ""};
  const kernel::CgroupHierarchy bare{true, "/sys/fs/cgroup/unified", {}, ""};
  const kernel::CgroupHierarchy systemd{false, "/sys/fs/cgroup/systemd", {}, "systemd"};
  EXPECT_EQ(device_control(facts_v1().cgroups), "v1") << "hybrid";
  EXPECT_EQ(device_control({v1({"devices"}), v1({"freezer"})}), "v1");
  EXPECT_EQ(device_control({v1({"memory"}), v1({"freezer", "devices"}), bare}), "v1");
  EXPECT_EQ(device_control({v2}), "bpf");
  EXPECT_EQ(device_control({bare}), "bpf") << "programs need no controller";
  EXPECT_EQ(device_control({v1({"net_cls", "net_prio"}), v2}), "bpf") << "somebody else's hierarchy beside v2";
  EXPECT_EQ(device_control({v2, v1({"net_cls"})}), "bpf") << "in either order";
  EXPECT_EQ(device_control({v1({"freezer"}), v1({"memory"}), bare}), "bpf") << "v1 without the devices";
  EXPECT_EQ(device_control({systemd, bare}), "bpf");
  for (const auto& hopeless : std::vector<std::vector<kernel::CgroupHierarchy>>{
           {}, {systemd}, {v1({"net_cls"})}, {v1({"memory"}), v1({"freezer"}), v1({"pids"})}}) {
    EXPECT_EQ(device_control(hopeless), "E-CGROUP-MISSING");
    EXPECT_EQ(device_control(hopeless, allow_all_devices()), "none") << "privileged";
    auto taken_back = allow_all_devices();
    taken_back.push_back({false, "b", 8, std::nullopt, "rwm"});
    EXPECT_EQ(device_control(hopeless, taken_back), "E-CGROUP-MISSING");
    auto given = default_device_rules();
    given.push_back(allow_all_devices()[0]);
    EXPECT_EQ(device_control(hopeless, given), "none") << "--device-cgroup-rule a";
  }
}

TEST(Plan, RulesForDevicesNeedACgroup) {
  auto q = request();
  q.spec.cgroups_path.clear();
  EXPECT_NO_THROW(plan(q, facts_v1()));
  q.spec.resources.devices = default_device_rules();
  EXPECT_THROW(plan(q, facts_v1()), Error);
}

// Limits go where their controller is, whatever else is mounted.
TEST(Plan, CgroupsOfMixedLayouts) {
  HostFacts facts = facts_v1();
  facts.cgroups = {v1({"net_cls"}), v1({"pids"}), {true, "/sys/fs/cgroup", {"cpu", "memory"}, ""}};
  oci::SpecResources r;
  r.devices = default_device_rules();
  r.memory_limit = 4096;
  r.pids_limit = 3;
  std::vector<std::string> warnings;
  auto plans = plan_cgroups("/a", r, facts, warnings);
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_EQ(plans[0].files, (std::vector<KeyValue>{{"pids.max", "3"}}));
  EXPECT_EQ(plans[1].files[0], (KeyValue{"memory.max", "4096"}));
  EXPECT_TRUE(warnings.empty());
}

TEST(Plan, Sysctls) {
  auto q = request();
  q.spec.sysctl = {{"net.ipv4.ip_forward", "1"},
                   {"kernel.msgmax", "1"},
                   {"net/ipv4/conf/eth0.1/forwarding", "0"},
                   {"fs.mqueue.msg_max", "5"}};
  auto p = plan(q, facts_v1()).plan;
  std::vector<std::string> keys;
  for (const auto& s : p.sysctls) keys.push_back(s.key);
  EXPECT_THAT(keys, testing::UnorderedElementsAre("net/ipv4/ip_forward", "kernel/msgmax", "fs/mqueue/msg_max",
                                                  "net/ipv4/conf/eth0.1/forwarding"));
  for (const char* bad :
       {"kernel.sysrq", "kernel.core_pattern", "vm.swappiness", "fs.file-max", "", "net..x", "../x",
        "/net/ipv4/ip_forward", "net.ipv4.../../kernel.sysrq", ".net.x", "kernel/../net/x", "net//x"}) {
    q.spec.sysctl = {{bad, "1"}};
    EXPECT_THROW(plan(q, facts_v1()), Error) << bad;
  }
  q.spec.sysctl = {{"net.ipv4.ip_forward", "1"}};
  q.spec.namespaces = spec_namespaces({{"mount", ""}, {"pid", ""}});  // the host's network
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).id(), "E-SYSCTL-REFUSED");
  q.spec.namespaces = spec_namespaces({{"mount", ""}, {"network", "/proc/1/ns/net"}});
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).id(), "E-SYSCTL-REFUSED");
  q.own_network = true;
  EXPECT_EQ(plan(q, facts_v1()).plan.sysctls.size(), 1U) << "made for this container";
}

TEST(Plan, LimitsAreReducedWithoutSysResource) {
  auto q = request();
  q.spec.process.rlimits = {{"RLIMIT_NOFILE", 100000, 200000}, {"RLIMIT_NPROC", 5, 6}};
  q.spec.process.oom_score_adj = -500;
  HostFacts f = facts_v1();
  EXPECT_TRUE(plan(q, f).warnings.empty());
  f.caps &= ~kernel::cap_bit(24);
  auto planned = plan(q, f);
  EXPECT_EQ(planned.warnings.size(), 2U);
  EXPECT_EQ(planned.plan.rlimits[0].soft, 4096U);
  EXPECT_EQ(planned.plan.rlimits[0].hard, 4096U);
  EXPECT_EQ(planned.plan.rlimits[1].hard, 6U);
  EXPECT_EQ(planned.plan.oom_score_adj, 0);
  q.spec.process.rlimits = {{"RLIMIT_NOFILE", 10, 5}};
  EXPECT_THROW(plan(q, f), Error);
  q.spec.process.rlimits = {{"RLIMIT_NOFILES", 1, 5}};
  EXPECT_THROW(plan(q, f), Error);
}

TEST(Plan, Capabilities) {
  std::vector<std::string> host = kernel::cap_names((kernel::CapSet{1} << kernel::cap_count) - 1);
  auto resolve = [&](std::vector<std::string> add, std::vector<std::string> drop, bool privileged = false) {
    return resolve_capabilities(add, drop, privileged, host);
  };
  EXPECT_EQ(resolve({}, {}).size(), 11U);
  EXPECT_THAT(resolve({"net_raw"}, {}), Contains("CAP_NET_RAW"));
  EXPECT_THAT(resolve({"CAP_SYS_ADMIN"}, {"ALL"}), testing::ElementsAre("CAP_SYS_ADMIN"));
  EXPECT_EQ(resolve({"ALL"}, {}).size(), 41U);
  EXPECT_EQ(resolve({"ALL"}, {"sys_admin"}).size(), 40U);
  EXPECT_EQ(resolve({}, {}, true).size(), 41U);
  EXPECT_EQ(resolve({}, {"chown"}, true).size(), 40U);
  EXPECT_EQ(resolve({}, {"cap_chown"}).size(), 10U);
  EXPECT_TRUE(resolve({}, {"all"}).empty());
  Error e = refused([&] { resolve({"NET_RAWW"}, {}); });
  EXPECT_EQ(e.id(), "E-CAP-UNKNOWN");
  EXPECT_THAT(e.hint(), HasSubstr("NET_RAW"));
  host.erase(host.begin() + 24);
  EXPECT_EQ(refused([&] { resolve({"SYS_RESOURCE"}, {}); }).code(), ErrorCode::failed_precondition);
  EXPECT_EQ(resolve({"ALL"}, {}).size(), 40U);
}

TEST(Plan, WhatCannotBeIsRefused) {
  auto q = request();
  q.spec.namespaces = spec_namespaces({{"pid", ""}});
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).code(), ErrorCode::unsupported);
  q = request();
  q.spec.namespaces.push_back({"time", ""});
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).code(), ErrorCode::unsupported);
  q = request();
  q.spec.uid_mappings.push_back({0, 1000, 1});
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).code(), ErrorCode::unsupported);
  q = request();
  q.spec.rootfs_propagation = "rslave";
  EXPECT_NO_THROW(plan(q, facts_v1()));
  for (const char* bad : {"rshared", "shared", "sideways"}) {
    q.spec.rootfs_propagation = bad;
    EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).code(), ErrorCode::unsupported) << bad;
  }
  q = request();
  q.spec.process.args.clear();
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).id(), "E-NO-COMMAND");
  q = request();
  q.spec.process.env = {std::string("A=\0b", 4)};
  EXPECT_THROW(plan(q, facts_v1()), Error);
  q = request();
  q.spec.process.cwd = "relative";
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).id(), "E-WORKDIR");
  q = request();
  q.user = "4294967296";
  EXPECT_EQ(refused([&] { plan(q, facts_v1()); }).id(), "E-USER-INVALID");
  for (auto device : {oci::SpecDevice{"x", "/dev/a", 1, 1},
                      {"c", "dev/a", 1, 1},
                      {"c", "/dev/a", -1, 1},
                      {"c", "/dev/a", 1, 1 << 20}}) {
    q = request();
    q.spec.devices = {device};
    EXPECT_THROW(plan(q, facts_v1()), Error);
  }
}

TEST(Plan, LayersOfAMountAreWritten) {
  auto q = request();
  q.spec.mounts.push_back({"/img", "overlay", "", {"ro"}});
  q.spec.mounts.back().lowers = {"/b", "/a"};
  EXPECT_EQ(LaunchPlan::parse(plan(q, facts_v1()).plan.bytes()).mounts.back().lowers, q.spec.mounts.back().lowers);
}

}  // namespace
}  // namespace servin::runtime
