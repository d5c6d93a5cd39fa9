// SPDX-License-Identifier: Apache-2.0
// Launches real containers from a root file system with Debian's static busybox. Needs root, as CI is.
#include "runtime/linux/launch.h"

#include <cstdlib>
#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/id.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/linux/namespace_runtime.h"

namespace servin::runtime {
namespace {

class LaunchTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root";
    char name[] = "/tmp/servin-launch-XXXXXX";
    dir_ = ::mkdtemp(name);
    for (const char* sub : {"/image", "/image/bin", "/image/etc", "/upper", "/work", "/point"})
      make_dirs(dir_ + sub, 0755);
    ASSERT_EQ(::system(("cp /bin/busybox " + dir_ + "/image/bin/busybox").c_str()), 0);
    for (const char* tool : {"sh", "true", "cat", "id", "ls", "grep", "echo", "sleep", "mount", "readlink", "touch"})
      ASSERT_EQ(::symlink("busybox", (dir_ + "/image/bin/" + tool).c_str()), 0);
    write_file(dir_ + "/image/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n", 0644);
    write_file(dir_ + "/image/etc/group", "root:x:0:\nweb:x:33:\nlogs:x:44:web\n", 0644);
  }
  void TearDown() override {
    if (!plan_.empty()) runtime_->clean_up(plan_);
    remove_tree(dir_);
  }

  PrepareRequest request(std::vector<std::string> args) {
    PrepareRequest r;
    r.id = new_id();
    r.spec.process.args = std::move(args);
    r.spec.process.env = {"PATH=/bin"};
    r.spec.process.capabilities = spec_capabilities(default_capabilities());
    r.spec.hostname = "box";
    r.spec.namespaces =
        spec_namespaces({{"pid", ""}, {"network", ""}, {"mount", ""}, {"ipc", ""}, {"uts", ""}, {"cgroup", ""}});
    r.spec.mounts = default_mounts({});
    r.spec.masked_paths = default_masked_paths();
    r.spec.readonly_paths = default_readonly_paths();
    r.spec.sysctl = default_sysctls(false);
    r.spec.resources.devices = default_device_rules();
    r.spec.resources.pids_limit = 64;
    r.spec.cgroups_path = "/servin-test/" + r.id;
    r.rootfs.lowers = {dir_ + "/image"};
    r.rootfs.upper = dir_ + "/upper";
    r.rootfs.work = dir_ + "/work";
    r.rootfs.mount_point = dir_ + "/point";
    return r;
  }

  struct Result {
    int code = -1;
    std::string out, err;
  };
  Result run(const PrepareRequest& r) {
    plan_ = runtime_->prepare(r).plan;
    Launched c = launch(plan_, {});
    Result result;
    result.out = read_all(c.stdio.out, 1U << 20U, "out");
    result.err = read_all(c.stdio.err, 1U << 20U, "err");
    result.code = wait_child(c.process.pid).code;
    return result;
  }

  std::string dir_;
  std::string plan_;
  std::unique_ptr<NamespaceRuntime> runtime_ = make_namespace_runtime("");
};

TEST_F(LaunchTest, SaysHello) {
  Result r = run(request({"echo", "hello"}));
  EXPECT_EQ(r.err, "");
  EXPECT_EQ(r.out, "hello\n");
  EXPECT_EQ(r.code, 0);
}

}  // namespace
}  // namespace servin::runtime
