// SPDX-License-Identifier: Apache-2.0
// The kernel takes the device programs and decides as the interpreter of device_bpf_test.cc does. Any v2 folder will
// do, also one of a hybrid host that has no controllers there.
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/id.h"
#include "linux/cgroup_layout.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/linux/device_bpf.h"

namespace servin::runtime {
namespace {

class DeviceFilterInTheKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: control groups";
    for (const auto& hierarchy : kernel::cgroup_hierarchies())
      if (hierarchy.v2) dir_ = hierarchy.mount + "/servin-unit-" + hex(random_bytes(4));
    if (dir_.empty()) GTEST_SKIP() << "no cgroup v2 is mounted";
    ASSERT_EQ(::mkdir(dir_.c_str(), 0755), 0) << errno;
  }
  void TearDown() override {
    if (!dir_.empty()) ::rmdir(dir_.c_str());
  }

  void attach(const std::vector<oci::SpecDeviceRule>& rules) {
    Fd dir = open_file(dir_, O_RDONLY | O_DIRECTORY);
    attach_device_filter(dir.get(), compile_device_filter(rules));
  }

  /// The errno of what a process in the group gets; 0: it may.
  int inside(const std::function<int()>& act) {
    pid_t child = ::fork();
    if (child == 0) {
      Fd procs(::open((dir_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
      if (::write(procs.get(), "0", 1) != 1) ::_exit(255);
      ::_exit(act());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  }
  int open_inside(const char* path, int flags) {
    return inside([&] { return ::open(path, flags | O_CLOEXEC) >= 0 ? 0 : errno; });
  }
  int mknod_inside(mode_t type, unsigned major, unsigned minor) {
    return inside([&] {
      std::string path = "/dev/servin-unit-" + hex(random_bytes(4));
      if (::mknod(path.c_str(), type | 0600, makedev(major, minor)) != 0) return errno;
      ::unlink(path.c_str());
      return 0;
    });
  }

  std::string dir_;
};

TEST_F(DeviceFilterInTheKernel, Defaults) {
  attach(default_device_rules());
  EXPECT_EQ(open_inside("/dev/null", O_RDWR), 0);
  EXPECT_EQ(open_inside("/dev/urandom", O_RDONLY), 0);
  EXPECT_EQ(open_inside("/dev/kmsg", O_RDONLY), EPERM);
  EXPECT_EQ(open_inside("/dev/fuse", O_RDWR), ::access("/dev/fuse", F_OK) == 0 ? EPERM : ENOENT);
  EXPECT_EQ(mknod_inside(S_IFCHR, 1, 3), 0);
  EXPECT_EQ(mknod_inside(S_IFBLK, 8, 0), 0) << "making a node is allowed, opening it is not";
}

TEST_F(DeviceFilterInTheKernel, EveryKindOfAccess) {
  auto rules = std::vector<oci::SpecDeviceRule>{
      {}, parse_device_rule("c 1:3 r"), parse_device_rule("c 1:5 w"), parse_device_rule("b 7:* m")};
  rules[0].allow = false;
  attach(rules);
  EXPECT_EQ(open_inside("/dev/null", O_RDONLY), 0);
  EXPECT_EQ(open_inside("/dev/null", O_WRONLY), EPERM);
  EXPECT_EQ(open_inside("/dev/null", O_RDWR), EPERM);
  EXPECT_EQ(open_inside("/dev/zero", O_WRONLY), 0);
  EXPECT_EQ(open_inside("/dev/zero", O_RDONLY), EPERM);
  EXPECT_EQ(mknod_inside(S_IFBLK, 7, 5), 0);
  EXPECT_EQ(mknod_inside(S_IFCHR, 7, 5), EPERM);
}

TEST_F(DeviceFilterInTheKernel, AllAndNothing) {
  attach({});
  EXPECT_EQ(open_inside("/dev/null", O_RDONLY), EPERM);
  // A second program does not loosen the first: both must allow.
  attach(allow_all_devices());
  EXPECT_EQ(open_inside("/dev/null", O_RDONLY), EPERM);
}

}  // namespace
}  // namespace servin::runtime
