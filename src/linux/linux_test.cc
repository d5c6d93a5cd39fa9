// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "base/error.h"
#include "linux/capabilities.h"
#include "linux/cgroup_layout.h"
#include "linux/mounts.h"
#include "linux/process.h"
#include "os/process.h"

namespace servin::kernel {
namespace {

using testing::ElementsAre;

TEST(CgroupLayout, V1) {
  auto found = parse_cgroup_mounts(
      "22 27 0:21 / /proc rw - proc proc rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
      "33 31 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_THAT(found[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(found[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(found[2].name, "systemd");
  EXPECT_TRUE(found[2].controllers.empty());
  EXPECT_EQ(layout_name(found), "v1");
}

TEST(CgroupLayout, V2AndHybridAndNone) {
  auto v2 = parse_cgroup_mounts("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_EQ(layout_name(v2), "v2");
  EXPECT_TRUE(v2[0].v2);
  auto hybrid = parse_cgroup_mounts(
      "33 31 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(layout_name(hybrid), "hybrid");
  EXPECT_EQ(layout_name(parse_cgroup_mounts("")), "none");
}

TEST(CgroupLayout, OddLines) {
  auto found = parse_cgroup_mounts(
      "33 31 0:30 / /a\\040b\\134c rw - cgroup cgroup rw,pids\n"
      "34 31 0:30 / /again rw - cgroup cgroup rw,pids\n"
      "garbage\n- cgroup\n1 2 3 - cgroup x\n35 31 0:30 / /x rw - cgroup\n\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].mount, "/a b\\c");
}

TEST(CgroupLayout, OfThisHost) {
  for (const auto& h : cgroup_hierarchies())
    EXPECT_EQ(::access((h.mount + "/cgroup.procs").c_str(), F_OK), 0) << h.mount;
}

TEST(Capabilities, NamesAndNumbers) {
  EXPECT_EQ(cap_number("CAP_NET_RAW"), 13);
  EXPECT_EQ(cap_number("net_raw"), 13);
  EXPECT_EQ(cap_number("Cap_Checkpoint_Restore"), 40);
  EXPECT_FALSE(cap_number("ALL").has_value());
  EXPECT_FALSE(cap_number("CAP_").has_value());
  for (int i = 0; i < cap_count; ++i) EXPECT_EQ(cap_number(cap_name(i)), i);
  EXPECT_THAT(cap_names(cap_bit(0) | cap_bit(5)), ElementsAre("CAP_CHOWN", "CAP_KILL"));
  EXPECT_EQ(known_caps().size(), 41U);
  EXPECT_EQ(effective_caps() & ~bounding_caps(), 0U);
}

TEST(Process, CloneGivesAPidfd) {
  CloneResult child = clone_process(0, nullptr);
  if (child.pid == 0) ::_exit(7);
  ASSERT_GT(child.pid, 0);
  EXPECT_TRUE(child.pidfd.is_open());
  EXPECT_EQ(wait_child(child.pid).code, 7);
}

TEST(Mounts, ErrorsCarryTheKernelsWords) {
  try {
    FsContext("no_such_filesystem");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.sys_errno(), ENODEV);
  }
  if (::geteuid() != 0) GTEST_SKIP() << "the rest needs root";
  FsContext fs("tmpfs");
  EXPECT_FALSE(fs.try_set("no_such_option", "1"));
  EXPECT_THROW(fs.set("mode", "not octal"), Error);
  FsContext good("tmpfs");
  good.set("size", "1m");
  Fd mount = good.mount(0);
  EXPECT_EQ(filesystem_magic(mount), 0x01021994U);
}

}  // namespace
}  // namespace servin::kernel
