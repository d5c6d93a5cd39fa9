// SPDX-License-Identifier: Apache-2.0
// For tests: containers from a root file system with Debian's static busybox. Needs root, as CI is.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/id.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/linux/exec.h"
#include "runtime/linux/launch.h"
#include "runtime/linux/namespace_runtime.h"

namespace servin::runtime {

class LaunchTest : public testing::Test {
 protected:
  struct Result {
    int code = -1;
    std::string out, err;
  };

  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "these tests need root";
    char name[] = "/tmp/servin-launch-XXXXXX";
    dir_ = ::mkdtemp(name);
    for (const char* sub : {"/image", "/image/bin", "/image/etc", "/upper", "/work", "/point", "/volume"})
      make_dirs(dir_ + sub, 0755);
    ASSERT_EQ(::link("/bin/busybox", image("bin/busybox").c_str()) == 0 ||
                  ::system(("cp /bin/busybox " + image("bin/busybox")).c_str()) == 0,
              true);
    for (const char* tool : {"sh",    "true", "cat", "id",   "ls",       "grep",  "echo", "sleep", "mount", "readlink",
                             "touch", "stat", "pwd", "kill", "hostname", "mkdir", "ps",   "wc",    "head",  "tty"})
      ASSERT_EQ(::symlink("busybox", image(std::string("bin/") + tool).c_str()), 0);
    write_file(image("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n", 0644);
    write_file(image("etc/group"), "root:x:0:\nweb:x:33:\nlogs:x:44:web\n", 0644);
  }

  void TearDown() override {
    clean_up_all();
    remove_tree(dir_);
  }

  std::string image(const std::string& path) const { return dir_ + "/image/" + path; }

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
  PrepareRequest shell(const std::string& script) { return request({"sh", "-c", script}); }

  Launched start(const PrepareRequest& r, const LaunchOptions& options = {}) {
    plan_ = runtime_->prepare(r).plan;
    plans_.push_back(plan_);
    return launch(plan_, options);
  }
  static Result finish(Launched c) {
    Result result;
    if (c.stdio.out) result.out = read_all(c.stdio.out, 1U << 20U, "out");
    if (c.stdio.err) result.err = read_all(c.stdio.err, 1U << 20U, "err");
    result.code = wait_child(c.process.pid).code;
    return result;
  }
  Result run(const PrepareRequest& r) {
    Result result = finish(start(r));
    // The overlay's work folder takes the next launch only when the last has let go of it.
    runtime_->clean_up(plan_);
    return result;
  }
  Result exec_in(const Launched& c, ExecSpec spec) { return finish(exec(plan_, c.process, spec, {})); }

  /// The error that a launch ends with; an Error without message when it does not.
  Error refusal(const PrepareRequest& r) {
    try {
      finish(start(r));
    } catch (const Error& e) {
      return e;
    }
    return Error(ErrorCode::internal, "");
  }

  void clean_up_all() {
    for (const auto& plan : plans_) runtime_->clean_up(plan);
  }

  std::string dir_;
  std::string plan_;                // of the last launch
  std::vector<std::string> plans_;  // of all
  std::unique_ptr<NamespaceRuntime> runtime_ = make_namespace_runtime("");
};

}  // namespace servin::runtime
