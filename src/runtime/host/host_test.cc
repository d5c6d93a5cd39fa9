// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <unistd.h>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "os/file.h"
#include "os/path_open.h"
#include "runtime/host/host_runtime.h"
#include "runtime/host/launch.h"
#include "runtime/host/merge.h"
#include "runtime/host/plan.h"
#include "runtime/host/program.h"

namespace servin::runtime {
namespace {

class HostTest : public testing::Test {
 protected:
  HostTest() {
    char name[] = "/tmp/servin-host-test-XXXXXX";
    dir_ = ::mkdtemp(name);
    ::chmod(dir_.c_str(), 0755);
  }
  ~HostTest() override { remove_tree(dir_); }
  std::string dir_;
};

PrepareRequest request() {
  PrepareRequest q;
  q.id = "0123";
  q.spec.process.args = {"sh", "-c", "true"};
  q.spec.process.env = {"A=1"};
  q.rootfs.lowers = {"/l2", "/l1"};
  q.rootfs.upper = "/u";
  q.rootfs.mount_point = "/m";
  q.spec.mounts = {{"/proc", "proc", "proc", {}},
                   {"/dev/shm", "tmpfs", "shm", {"size=64m"}},
                   {"/etc/hosts", "bind", "/x/hosts", {"rbind"}}};
  return q;
}

TEST(HostPlan, KeepsWhatMeansSomethingWithoutIsolation) {
  PrepareRequest q = request();
  q.spec.mounts.push_back({"/data", "bind", "/host/data", {"rbind", "ro"}});
  q.spec.mounts.push_back({"/scratch", "tmpfs", "tmpfs", {"nosuid", "size=1m"}});
  HostPlan p = HostPlan::parse(plan_on_host(q, true).bytes());
  EXPECT_EQ(p.args, q.spec.process.args);
  EXPECT_EQ(p.env, (std::vector<std::string>{"A=1", "SERVIN_CONTAINER_ID=0123"}));
  EXPECT_EQ(p.lowers, q.rootfs.lowers);
  ASSERT_EQ(p.mounts.size(), 2U);
  EXPECT_EQ(p.mounts[0].source, "/host/data");
  EXPECT_TRUE(p.mounts[0].read_only);
  EXPECT_EQ(p.mounts[1].source, "");
  EXPECT_EQ(p.mounts[1].options, "size=1m");
}

TEST(HostPlan, RefusesWhatItCannotGive) {
  auto refused = [](const std::function<void(PrepareRequest&)>& change, bool root) {
    PrepareRequest q = request();
    change(q);
    try {
      plan_on_host(q, root);
    } catch (const Error& e) {
      return e.code() == ErrorCode::unsupported && e.id() == "E-NO-ISOLATION";
    }
    return false;
  };
  EXPECT_FALSE(refused([](auto&) {}, false));
  EXPECT_TRUE(refused([](auto& q) { q.spec.resources.memory_limit = 1 << 20; }, true));
  EXPECT_TRUE(refused([](auto& q) { q.spec.resources.cpu_quota = 1000; }, true));
  EXPECT_TRUE(refused([](auto& q) { q.spec.resources.pids_limit = 5; }, true));
  EXPECT_TRUE(refused([](auto& q) { q.spec.root_readonly = true; }, true));
  auto volume = [](auto& q) { q.spec.mounts.push_back({"/data", "bind", "/host", {"rbind"}}); };
  EXPECT_TRUE(refused(volume, false));
  EXPECT_FALSE(refused(volume, true));
}

TEST(HostPlan, DamagedBytesAreAnError) {
  std::string bytes = plan_on_host(request(), true).bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_THROW(HostPlan::parse(bytes.substr(0, n)), Error) << n;
}

TEST_F(HostTest, LayersBecomeOneFolder) {
  for (const char* folder : {"/1/a/deep", "/1/gone", "/2/a", "/upper", "/work"}) make_dirs(dir_ + folder, 0755);
  write_file(dir_ + "/1/a/file", "lower", 0755);
  ASSERT_EQ(::link((dir_ + "/1/a/file").c_str(), (dir_ + "/1/a/same").c_str()), 0);
  write_file(dir_ + "/1/a/replaced", "old");
  write_file(dir_ + "/1/gone/x", "x");
  write_file(dir_ + "/2/a/replaced", "new");
  ASSERT_EQ(::symlink("/a/file", (dir_ + "/2/link").c_str()), 0);
  bool devices = ::mknod((dir_ + "/2/gone").c_str(), S_IFCHR, makedev(0, 0)) == 0;
  HostPlan plan;
  plan.lowers = {dir_ + "/2", dir_ + "/1"};
  plan.upper = dir_ + "/upper";
  merge_layers(plan);
  EXPECT_EQ(read_file(plan.upper + "/a/file"), "lower");
  EXPECT_EQ(read_file(plan.upper + "/a/replaced"), "new");
  EXPECT_TRUE(path_exists(plan.upper + "/a/deep"));
  struct stat s{};
  ASSERT_EQ(::stat((plan.upper + "/a/file").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0755U);
  EXPECT_EQ(s.st_nlink, 2U);  // its hard link, not the layer
  ASSERT_EQ(::lstat((plan.upper + "/link").c_str(), &s), 0);
  EXPECT_TRUE(S_ISLNK(s.st_mode));
  EXPECT_TRUE(!devices || !path_exists(plan.upper + "/gone"));
  // What the container changes stays, and the layers do not change with it.
  write_file(plan.upper + "/a/replaced", "mine");
  merge_layers(plan);
  EXPECT_EQ(read_file(plan.upper + "/a/replaced"), "mine");
  EXPECT_EQ(read_file(dir_ + "/2/a/replaced"), "new");
}

/// Runs `body`, which executes a program, in a child with its stdout in a pipe.
template <typename Body>
std::string output_of(const Body& body) {
  Pipe pipe = make_pipe();
  pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe.write.get(), 1);
    try {
      body();
    } catch (const Error& e) {
      write_all(Fd(::dup(1)), e.id(), "pipe");
    }
    ::_exit(0);
  }
  pipe.write.reset();
  std::string out = read_all(pipe.read, 1U << 20U, "pipe");
  ::waitpid(pid, nullptr, 0);
  return out;
}

TEST_F(HostTest, DynamicProgramsStartThroughTheImagesLoader) {
  // The host's own files in the place of an image's.
  Fd root = open_file("/", O_PATH | O_DIRECTORY);
  std::string out = output_of([&] { execute_below(root, "", {"sh", "-c", "echo $0 $PATH"}, {"PATH=/usr/bin:/bin"}); });
  EXPECT_TRUE(out.starts_with("sh /usr/bin:/bin:")) << out;
}

TEST_F(HostTest, ProgramsThatCannotStartAreToldApart) {
  write_file(dir_ + "/plain", "text", 0644);
  Fd root = open_file(dir_, O_PATH | O_DIRECTORY);
  EXPECT_EQ(output_of([&] { execute_below(root, dir_, {"nothing"}, {}); }), "E-COMMAND-NOT-FOUND");
  EXPECT_EQ(output_of([&] { execute_below(root, dir_, {"/plain"}, {}); }), "E-COMMAND-NOT-EXECUTABLE");
  EXPECT_EQ(output_of([&] { execute({"no-such-program-here"}, {"PATH=/usr/bin"}); }), "E-COMMAND-NOT-FOUND");
  EXPECT_EQ(output_of([&] { execute({"/etc/passwd"}, {}); }), "E-COMMAND-NOT-EXECUTABLE");
}

TEST_F(HostTest, AProcessOfAnotherTimeIsNotEntered) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  HostPlan plan;
  plan.args = {"/bin/true"};
  plan.mount_point = dir_;
  ProcessId other = this_process();
  ++other.start;  // ours has the pid by now
  ExecSpec spec;
  spec.args = {"/bin/true"};
  try {
    exec_on_host(plan.bytes(), other, spec, {});
    FAIL() << "it was entered";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-NOT-RUNNING");
  }
}

/// From now on pidfd_open(2) answers EPERM to this process.
void forbid_pidfds() {
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{4, &code[0]};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) throw_errno("set a filter");
}

TEST_F(HostTest, WhoseEndCouldNotBeSeenIsNotStarted) {
  HostPlan plan;
  plan.args = {"/bin/sleep", "1000"};
  EXPECT_EQ(output_of([&] {
              forbid_pidfds();
              try {
                launch_on_host(plan.bytes(), {});
              } catch (const Error& e) {
                bool alone = ::waitpid(-1, nullptr, 0) < 0 && errno == ECHILD;
                (void)!::write(1, alone && e.sys_errno() == EPERM ? "none" : "left", 4);
              }
              ::_exit(0);
            }),
            "none");
}

TEST_F(HostTest, ProcessesAreFoundByTheirEnvironment) {
  HostPlan plan;
  plan.id = dir_;
  plan.args = {"/bin/sh", "-c", "env -i sh -c 'echo up; exec sleep 1000' & echo up; exec sleep 1001"};
  plan.env = {"PATH=/usr/bin:/bin", std::string(id_variable) + dir_};
  Launched launched = launch_on_host(plan.bytes(), {});
  HostRuntime host;
  std::string bytes = plan.bytes();
  std::string said;
  char buffer[16];
  while (said != "up\nup\n") {
    std::size_t n = read_some(launched.stdio.out, buffer, sizeof buffer, "pipe");
    ASSERT_GT(n, 0U);
    said.append(buffer, n);
  }
  auto found = host.processes(bytes);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_NE(std::find(found.begin(), found.end(), launched.process.pid), found.end());
  host.pause(bytes);
  for (int i = 0; i < 6000 && !host.is_paused(bytes); ++i) ::usleep(10'000);
  EXPECT_TRUE(host.is_paused(bytes));
  host.unpause(bytes);
  host.clean_up(bytes);
  EXPECT_TRUE(host.processes(bytes).empty());
  EXPECT_EQ(wait_child(launched.process.pid).signal, SIGKILL);
}

}  // namespace
}  // namespace servin::runtime
