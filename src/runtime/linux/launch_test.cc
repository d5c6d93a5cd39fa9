// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/launch.h"

#include <fcntl.h>
#include <signal.h>

#include <gmock/gmock.h>

#include "runtime/linux/launch_fixture.h"

namespace servin::runtime {
namespace {

using testing::HasSubstr;

TEST_F(LaunchTest, SaysHello) {
  Result r = run(request({"echo", "hello"}));
  EXPECT_EQ(r.err, "");
  EXPECT_EQ(r.out, "hello\n");
  EXPECT_EQ(r.code, 0);
}

TEST_F(LaunchTest, HasNamespacesOfItsOwn) {
  auto r =
      run(shell("hostname; echo $$; ls /proc/self/fd | wc -l; for n in pid mnt uts ipc net cgroup; do readlink "
                "/proc/self/ns/$n; done"));
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, testing::StartsWith("box\n1\n"));
  char own[64];
  for (const char* n : {"pid", "mnt", "uts", "ipc", "net", "cgroup"}) {
    ssize_t size = ::readlink((std::string("/proc/self/ns/") + n).c_str(), own, sizeof own);
    EXPECT_THAT(r.out, testing::Not(HasSubstr(std::string(own, static_cast<std::size_t>(size))))) << n;
  }
}

TEST_F(LaunchTest, StatusIsGolden) {
  auto r = run(shell("grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid|Umask)' /proc/self/status"));
  EXPECT_EQ(r.out,
            "Umask:\t0022\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \nCapInh:\t0000000000000000\n"
            "CapPrm:\t00000000800405fb\nCapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb\n"
            "CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
}

TEST_F(LaunchTest, AnotherUserHasNoCapabilities) {
  auto q = shell(
      "grep -E '^(Cap(Inh|Prm|Eff|Amb)|Groups|Uid|Gid|NoNew)' /proc/self/status; echo $HOME; echo x >/dev/stderr");
  q.user = "web";
  q.spec.process.no_new_privileges = true;
  auto r = run(q);
  EXPECT_EQ(r.out,
            "Uid:\t33\t33\t33\t33\nGid:\t33\t33\t33\t33\nGroups:\t33 44 \nCapInh:\t0000000000000000\n"
            "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n/srv\n");
  EXPECT_EQ(r.err, "x\n");
}

TEST_F(LaunchTest, OnlyThreeDescriptors) {
  int leaked = ::open("/", O_RDONLY | O_DIRECTORY);  // without close-on-exec, as a careless caller has it
  auto r = run(shell("ls /proc/$$/fd; readlink /proc/$$/fd/0"));
  ::close(leaked);
  EXPECT_EQ(r.out, "0\n1\n2\n/dev/null\n");
}

TEST_F(LaunchTest, JoinsNobodyElseThanWasMeant) {
  Launched other = start(request({"sleep", "1000"}));
  auto q = request({"readlink", "/proc/self/ns/net"});
  q.rootfs.upper = dir_ + "/upper2";
  q.rootfs.work = dir_ + "/work2";
  for (const auto& folder : {q.rootfs.upper, q.rootfs.work}) make_dirs(folder, 0755);
  for (auto& ns : q.spec.namespaces)
    if (ns.type == "network") ns.path = "/proc/" + std::to_string(other.process.pid) + "/ns/net";
  q.spec.sysctl = default_sysctls(true);
  q.donors = {{other.process.pid, other.process.start + 1}};  // the pid is somebody else's by now
  EXPECT_EQ(refusal(q).id(), "E-NOT-RUNNING");
  q.donors = {other.process};
  EXPECT_THAT(finish(start(q)).out, HasSubstr("net:["));
  send_signal(other.pidfd, SIGKILL);
  finish(std::move(other));
}

TEST_F(LaunchTest, ReportsMissingAndUnexecutableCommands) {
  Error e = refusal(request({"nonsense"}));
  EXPECT_EQ(e.code(), ErrorCode::not_found) << e.message();
  EXPECT_EQ(e.id(), "E-COMMAND-NOT-FOUND");
  e = refusal(request({"/etc/passwd"}));
  EXPECT_EQ(e.code(), ErrorCode::permission_denied) << e.message();
  EXPECT_EQ(e.id(), "E-COMMAND-NOT-EXECUTABLE");
  e = refusal(request({"/bin"}));
  EXPECT_EQ(e.id(), "E-COMMAND-NOT-EXECUTABLE");
  write_file(image("bin/script"), "#!/no/such/interpreter\n", 0755);
  e = refusal(request({"script"}));
  EXPECT_EQ(e.id(), "E-COMMAND-NOT-EXECUTABLE");
  EXPECT_THAT(e.message(), HasSubstr("interpreter"));
}

TEST_F(LaunchTest, AFailedLaunchLeavesNoCgroup) {
  auto q = request({"nonsense"});
  refusal(q);
  for (const auto& c : LaunchPlan::parse(plan_).cgroups) EXPECT_FALSE(path_exists(c.dir())) << c.dir();
}

TEST_F(LaunchTest, ParentsOfCgroupsGoOnlyWhenWeMadeThem) {
  auto name = [](const CgroupPlan& c, const std::string& id) { return c.mount + "/" + id; };
  auto q = request({"true"});
  q.spec.cgroups_path = "/theirs-" + q.id.substr(0, 8) + "/ours/" + q.id;
  auto cgroups = LaunchPlan::parse(runtime_->prepare(q).plan).cgroups;
  std::string top = "theirs-" + q.id.substr(0, 8);
  ASSERT_FALSE(cgroups.empty());
  for (const auto& c : cgroups) ASSERT_EQ(::mkdir(name(c, top).c_str(), 0755), 0);
  EXPECT_EQ(run(q).code, 0);
  for (const auto& c : cgroups) {
    EXPECT_FALSE(path_exists(name(c, top + "/ours")));
    EXPECT_EQ(::rmdir(name(c, top).c_str()), 0);
  }
}

TEST_F(LaunchTest, WorkingDirectory) {
  auto q = request({"pwd"});
  q.spec.process.cwd = "/srv/deep/new";
  EXPECT_EQ(run(q).out, "/srv/deep/new\n");
  for (int n = 3; n < 24; ++n) {
    q = request({"pwd"});
    q.spec.process.cwd = "/proc/self/fd/" + std::to_string(n);
    EXPECT_NE(refusal(q).message(), "") << n;
  }
  q = request({"pwd"});
  q.spec.process.cwd = "/etc/passwd";
  EXPECT_EQ(refusal(q).id(), "E-WORKDIR");
}

TEST_F(LaunchTest, InitStaysAsFirstProcess) {
  auto q = shell("echo $$; cat /proc/1/comm; exit 7");
  q.init = true;
  auto r = run(q);
  EXPECT_THAT(r.out, HasSubstr("servin-init\n"));
  EXPECT_EQ(r.code, 7);
  q = shell("kill -9 $$");
  q.init = true;
  EXPECT_EQ(run(q).code, 137);
  EXPECT_EQ(refusal([&] {
              auto bad = request({"nonsense"});
              bad.init = true;
              return bad;
            }())
                .id(),
            "E-COMMAND-NOT-FOUND");
}

TEST_F(LaunchTest, InitForwardsSignals) {
  auto q = shell("trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
  q.init = true;
  Launched c = start(q);
  char buffer[6];
  ASSERT_EQ(::read(c.stdio.out.get(), buffer, sizeof buffer), 6);
  send_signal(c.pidfd, SIGTERM);
  auto r = finish(std::move(c));
  EXPECT_EQ(r.out, "got\n");
  EXPECT_EQ(r.code, 3);
}

TEST_F(LaunchTest, Terminal) {
  LaunchOptions options;
  options.terminal = true;
  options.rows = 33;
  options.columns = 99;
  Launched c = start(
      shell(
          "tty; stat -c %t:%T /dev/console; stat -t /dev/tty >/dev/null && stty size 2>/dev/null || busybox stty size"),
      options);
  std::string out;
  char buffer[512];
  ssize_t n = 0;
  while ((n = ::read(c.stdio.terminal.get(), buffer, sizeof buffer)) > 0)
    out.append(buffer, static_cast<std::size_t>(n));
  EXPECT_EQ(wait_child(c.process.pid).code, 0);
  EXPECT_THAT(out, HasSubstr("/dev/pts/0"));
  EXPECT_THAT(out, HasSubstr("88:0"));
  EXPECT_THAT(out, HasSubstr("33 99"));
}

TEST_F(LaunchTest, Listener) {
  struct Listener : BeforeExec {
    pid_t pid = 0;
    bool fail = false;
    void before_exec(const ProcessId& p, const Fd& pidfd) override {
      pid = p.pid;
      EXPECT_TRUE(pidfd.is_open());
      if (fail) throw Error(ErrorCode::unavailable, "no network today");
    }
  } listener;
  LaunchOptions options;
  options.listener = &listener;
  Launched c = start(request({"true"}), options);
  EXPECT_EQ(listener.pid, c.process.pid);
  EXPECT_EQ(finish(std::move(c)).code, 0);
  runtime_->clean_up(plan_);
  listener.fail = true;
  EXPECT_THROW(start(request({"true"}), options), Error);
}

TEST_F(LaunchTest, Exec) {
  Launched c = start(request({"sleep", "1000"}));
  auto r = exec_in(c, {{"sh", "-c", "ps; echo $A $B"}, {"A=1", "B=2"}, "", "", false, false});
  EXPECT_EQ(r.err, "");
  EXPECT_THAT(r.out, HasSubstr("sleep 1000"));
  EXPECT_THAT(r.out, HasSubstr("1 2\n"));
  r = exec_in(c, {{"grep", "-E", "^(Cap|Seccomp:|Groups|Uid)", "/proc/self/status"}, {}, "web", "", false, false});
  EXPECT_EQ(r.out,
            "Uid:\t33\t33\t33\t33\nGroups:\t33 44 \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
            "CapEff:\t0000000000000000\nCapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\nSeccomp:\t2\n");
  r = exec_in(c, {{"grep", "-E", "^(CapInh|CapAmb|Seccomp:)", "/proc/self/status"}, {}, "", "", false, true});
  EXPECT_EQ(r.out, "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\nSeccomp:\t0\n");
  r = exec_in(c, {{"sh", "-c", "ls /proc/$$/fd; pwd; cat /proc/self/cgroup"}, {}, "", "/bin", false, false});
  EXPECT_THAT(r.out, testing::StartsWith("0\n1\n2\n/bin\n"));
  EXPECT_THAT(r.out, testing::Not(HasSubstr("servin-test")));
  EXPECT_EQ(exec_in(c, {{"sh", "-c", "exit 9"}, {}, "", "", false, false}).code, 9);
  for (const char* bad : {"nonsense", "/etc/passwd"})
    EXPECT_THROW(exec_in(c, {{bad}, {}, "", "", false, false}), Error);
  for (int n = 3; n < 20; ++n)
    EXPECT_THROW(exec_in(c, {{"pwd"}, {}, "", "/proc/self/fd/" + std::to_string(n), false, false}), Error) << n;
  send_signal(c.pidfd, SIGKILL);
  auto id = c.process;
  EXPECT_EQ(finish(std::move(c)).code, 137);
  EXPECT_THROW(exec(plan_, id, {{"true"}, {}, "", "", false, false}, {}), Error);
}

TEST_F(LaunchTest, ExecTerminal) {
  Launched c = start(request({"sleep", "1000"}));
  ExecOptions options;
  options.rows = 11;
  options.columns = 22;
  Launched e = exec(plan_, c.process, {{"sh", "-c", "tty; busybox stty size"}, {}, "", "", true, false}, options);
  std::string out;
  char buffer[512];
  ssize_t n = 0;
  while ((n = ::read(e.stdio.terminal.get(), buffer, sizeof buffer)) > 0)
    out.append(buffer, static_cast<std::size_t>(n));
  EXPECT_EQ(wait_child(e.process.pid).code, 0);
  EXPECT_THAT(out, HasSubstr("/dev/pts/0"));
  EXPECT_THAT(out, HasSubstr("11 22"));
  send_signal(c.pidfd, SIGKILL);
  finish(std::move(c));
}

TEST_F(LaunchTest, PauseProcessesKill) {
  Launched c = start(shell("sleep 1000 & sleep 1000 & echo up; wait"));
  char buffer[3];
  ASSERT_EQ(::read(c.stdio.out.get(), buffer, sizeof buffer), 3);
  EXPECT_EQ(runtime_->processes(plan_).size(), 3U);
  EXPECT_FALSE(runtime_->is_paused(plan_));
  runtime_->pause(plan_);
  EXPECT_TRUE(runtime_->is_paused(plan_));
  runtime_->pause(plan_);
  runtime_->unpause(plan_);
  EXPECT_FALSE(runtime_->is_paused(plan_));
  EXPECT_GT(runtime_->usage(plan_).memory, 0U);
  EXPECT_EQ(runtime_->usage(plan_).pids, 3U);
  EXPECT_EQ(runtime_->usage(plan_).pids_limit, 64U);
  runtime_->pause(plan_);
  runtime_->clean_up(plan_);  // thaws and kills
  EXPECT_EQ(finish(std::move(c)).code, 137);
  runtime_->clean_up(plan_);
}

}  // namespace
}  // namespace servin::runtime
