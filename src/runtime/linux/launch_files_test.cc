// SPDX-License-Identifier: Apache-2.0
// What a container sees of files: mounts, devices, masks, limits; and images that try to lead us astray.
#include <fcntl.h>
#include <signal.h>

#include <gmock/gmock.h>
#include <sys/sysmacros.h>

#include "runtime/linux/launch_fixture.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(LaunchTest, DevicesAndLinks) {
  auto r =
      run(shell("for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' /dev/$d; done; for l in fd stdin "
                "stdout stderr ptmx core; do readlink "
                "/dev/$l; done; ls /dev; echo ok >/dev/null; head -c 2 "
                "/dev/zero | wc -c"));
  EXPECT_EQ(r.err, "");
  EXPECT_EQ(
      r.out,
      "/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n/dev/urandom 1:9 666\n"
      "/dev/tty 5:0 666\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n/proc/kcore\n"
      "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n2\n");
}

TEST_F(LaunchTest, MaskedAndReadOnlyPaths) {
  // Which of the files exist is the kernel's business: those that do give nothing.
  auto r = run(shell(
      "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/sched_debug; do "
      "[ -e $f ] && head -c 1 $f; done; for d in /sys/firmware /proc/scsi /proc/acpi; do [ -e $d ] && ls $d; done"));
  EXPECT_EQ(r.out + r.err, "");
  r =
      run(shell("echo x >/proc/sys/kernel/hostname; touch /sys/x; touch /sys/firmware/x; mkdir /sys/fs/cgroup/x; "
                "mkdir /sys/fs/cgroup/pids/x; echo 1 >/sys/fs/cgroup/pids/pids.max"));
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 6) << r.err;
  EXPECT_THAT(r.err, Not(HasSubstr("No such file"))) << r.err;
  r = run(request({"cat", "/proc/self/mounts"}));
  for (const auto& path : default_readonly_paths())
    EXPECT_TRUE(!path_exists(path) || r.out.find(" " + path + " proc ro,") != std::string::npos) << path;
  EXPECT_THAT(r.out, Not(HasSubstr(dir_ + " "))) << "no mount of the host is left";
}

TEST_F(LaunchTest, SysctlsAndLoopback) {
  auto q = shell(
      "cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_unprivileged_port_start "
      "/proc/sys/kernel/msgmax; cat /sys/class/net/lo/flags");
  q.spec.sysctl["kernel.msgmax"] = "4321";
  auto r = run(q);
  EXPECT_EQ(r.out, "0\t2147483647\n0\n4321\n0x9\n") << r.err;
  q.spec.sysctl["net.ipv4.no_such_thing"] = "1";
  EXPECT_EQ(refusal(q).id(), "E-SYSCTL-REFUSED");
}

TEST_F(LaunchTest, ReadOnlyRoot) {
  auto q = shell("touch /x; touch /tmp/y && touch /dev/shm/z && echo ok");
  q.spec.root_readonly = true;
  q.spec.mounts.push_back({"/tmp", "tmpfs", "tmpfs", {"nosuid", "nodev", "size=1m"}});
  auto r = run(q);
  EXPECT_THAT(r.err, HasSubstr("Read-only file system"));
  EXPECT_EQ(r.out, "ok\n");
}

TEST_F(LaunchTest, LimitsArriveInTheCgroup) {
  auto q = request({"sleep", "1000"});
  q.spec.resources.memory_limit = 64 << 20;
  q.spec.resources.pids_limit = 7;
  q.spec.resources.cpu_shares = 512;
  q.spec.process.rlimits = {{"RLIMIT_NOFILE", 100, 200}, {"RLIMIT_CORE", 0, 0}};
  q.spec.process.oom_score_adj = 321;
  Launched c = start(q);
  EXPECT_EQ(runtime_->usage(plan_).memory_limit, std::uint64_t{64 << 20});
  EXPECT_EQ(runtime_->usage(plan_).pids_limit, 7U);
  std::string proc = "/proc/" + std::to_string(c.process.pid);
  EXPECT_THAT(*read_file(proc + "/limits"), testing::ContainsRegex("Max open files +100 +200"));
  EXPECT_EQ(*read_file(proc + "/oom_score_adj"), "321\n");
  auto r = exec_in(
      c, {{"sh", "-c", "cat /proc/self/oom_score_adj; grep 'open files' /proc/self/limits"}, {}, "", "", false, false});
  EXPECT_THAT(r.out, testing::ContainsRegex("^321\nMax open files +100 +200"));
  send_signal(c.pidfd, SIGKILL);
  finish(std::move(c));
}

TEST_F(LaunchTest, OomKillIsCounted) {
  auto q = shell("x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
  q.spec.resources.memory_limit = 16 << 20;
  q.spec.resources.memory_swap = 16 << 20;
  Launched c = start(q);
  EXPECT_EQ(finish(std::move(c)).code, 137);
  EXPECT_GE(oom_kills(LaunchPlan::parse(plan_)), 1U);
}

TEST_F(LaunchTest, BindsVolumesAndCopyUp) {
  make_dirs(image("data/sub"), 0755);
  write_file(image("data/file"), "from the image\n", 0640);
  ASSERT_EQ(::symlink("file", image("data/link").c_str()), 0);
  ASSERT_EQ(::chown(image("data").c_str(), 33, 34), 0);
  make_dirs(dir_ + "/host", 0755);
  write_file(dir_ + "/host/single", "single\n", 0644);
  auto q = shell(
      "cat /data/file /data/link /one/file; stat -c '%u:%g' /data; touch /ro/x; touch /new/place/y; cat /etc/two");
  q.copy_up.push_back({dir_ + "/volume", "/data"});
  q.spec.mounts.push_back({"/data", "bind", dir_ + "/volume", {"rbind"}});
  q.spec.mounts.push_back({"/ro", "bind", dir_ + "/host", {"rbind", "rro"}});
  q.spec.mounts.push_back({"/new/place", "bind", dir_ + "/host", {"rbind"}});
  q.spec.mounts.push_back({"/one/file", "bind", dir_ + "/host/single", {"bind"}});
  q.spec.mounts.push_back({"/etc/two", "bind", dir_ + "/host/single", {"bind"}});
  auto r = run(q);
  EXPECT_EQ(r.out, "from the image\nfrom the image\nsingle\n33:34\nsingle\n");
  EXPECT_THAT(r.err, HasSubstr("/ro/x: Read-only file system"));
  EXPECT_EQ(*read_file(dir_ + "/volume/file"), "from the image\n");
  EXPECT_TRUE(path_exists(dir_ + "/host/y"));
  // Used once: it keeps its bytes.
  write_file(dir_ + "/volume/file", "mine\n", 0644);
  r = run(q);
  EXPECT_THAT(r.out, testing::StartsWith("mine\n"));
}

TEST_F(LaunchTest, MissingOrWrongMountSources) {
  auto q = request({"true"});
  q.spec.mounts.push_back({"/data", "bind", dir_ + "/nowhere", {"rbind"}});
  EXPECT_EQ(refusal(q).id(), "E-MOUNT-SOURCE");
  q.spec.mounts.back() = {"/etc/passwd", "bind", dir_, {"rbind"}};
  EXPECT_EQ(refusal(q).id(), "E-MOUNT-KIND");
  q.spec.mounts.back() = {"/etc", "bind", "/etc/hostname", {"bind"}};
  EXPECT_EQ(refusal(q).id(), "E-MOUNT-KIND");
}

TEST_F(LaunchTest, OnlyProcfsAtProc) {
  make_dirs(image("proclink"), 0755);
  ASSERT_EQ(::symlink("/proc/sys", image("sneaky").c_str()), 0);
  for (const char* target : {"/proc", "/proc/sys", "/proc/self/attr", "/proc/1", "//proc/./", "/sneaky"}) {
    auto q = request({"true"});
    q.spec.mounts.push_back({target, "bind", dir_ + "/volume", {"rbind"}});
    EXPECT_EQ(refusal(q).id(), "E-MOUNT-REFUSED") << target;
    q.spec.mounts.back() = {target, "tmpfs", "tmpfs", {}};
    EXPECT_EQ(refusal(q).id(), "E-MOUNT-REFUSED") << target;
  }
  auto q = request({"cat", "/proc/uptime"});
  write_file(dir_ + "/uptime", "fake\n", 0644);
  q.spec.mounts.push_back({"/proc/uptime", "bind", dir_ + "/uptime", {"bind"}});
  EXPECT_EQ(run(q).out, "fake\n");
}

TEST_F(LaunchTest, DevicesOfTheHost) {
  auto q = shell("stat -c '%t:%T %a' /dev/deep/er/fuse /opt/null; echo x >/opt/null && echo ok");
  q.spec.devices = {{"c", "/dev/deep/er/fuse", 10, 229, 0600, 0, 0}, {"c", "/opt/null", 1, 3, 0666, 0, 0}};
  auto r = run(q);
  EXPECT_EQ(r.out, "a:e5 600\n1:3 666\nok\n") << r.err;
  // Not allowed in the device filter: there, but closed.
  q = shell("cat /dev/fuse");
  q.spec.devices = {{"c", "/dev/fuse", 10, 229, 0666, 0, 0}};
  EXPECT_THAT(run(q).err, HasSubstr("Operation not permitted"));
}

TEST_F(LaunchTest, JoinsAnotherContainer) {
  auto donor = shell("echo shared >/dev/shm/note; echo up; sleep 1000");
  Launched c = start(donor);
  std::string donor_plan = plan_;
  char buffer[3];
  ASSERT_EQ(::read(c.stdio.out.get(), buffer, sizeof buffer), 3);
  auto path = [&](const char* ns) { return "/proc/" + std::to_string(c.process.pid) + "/ns/" + ns; };
  auto q = shell("ps | grep -c 'sleep 100[0]'; hostname; cat /dev/shm/note");
  q.rootfs.upper = dir_ + "/upper2";
  q.rootfs.work = dir_ + "/work2";
  make_dirs(q.rootfs.upper);
  make_dirs(q.rootfs.work);
  q.spec.sysctl.clear();
  q.spec.namespaces = spec_namespaces({{"pid", path("pid")},
                                       {"network", path("net")},
                                       {"mount", ""},
                                       {"ipc", path("ipc")},
                                       {"uts", path("uts")},
                                       {"cgroup", ""}});
  MountDefaults defaults;
  defaults.join_shm = "/proc/" + std::to_string(c.process.pid) + "/root/dev/shm";
  q.spec.mounts = default_mounts(defaults);
  auto r = run(q);
  EXPECT_THAT(r.out, testing::MatchesRegex("[1-9]\nbox\nshared\n")) << r.err;
  // Our own children are born in our own pid namespace again.
  pid_t own = ::fork();
  if (own == 0) ::_exit(0);
  EXPECT_EQ(wait_child(own).code, 0);
  send_signal(c.pidfd, SIGKILL);
  finish(std::move(c));
  runtime_->clean_up(donor_plan);
}

// Images whose folders are not what they seem. Whatever happens, nothing outside of the root changes.
class HostileImage : public LaunchTest {
 protected:
  void SetUp() override {
    LaunchTest::SetUp();
    decoy_ = dir_ + "/decoy";
    make_dirs(decoy_ + "/sub", 0755);
    write_file(decoy_ + "/file", "precious\n", 0644);
  }
  std::string state() {
    std::string out = *read_file(decoy_ + "/file");
    for (const auto& name : list_dir(decoy_)) out += name + " ";
    for (const auto& name : list_dir(decoy_ + "/sub")) out += name + " ";
    return out;
  }
  void plant(const std::string& path, const std::string& kind) {
    std::string at = image(path);
    remove_tree(at);
    int rc = 0;
    if (kind == "absolute link") rc = ::symlink(decoy_.c_str(), at.c_str());
    if (kind == "relative link") rc = ::symlink(("../../../../../../../.." + decoy_).c_str(), at.c_str());
    if (kind == "dangling link") rc = ::symlink("/no/such/place", at.c_str());
    if (kind == "link to itself") rc = ::symlink(at.substr(at.rfind('/') + 1).c_str(), at.c_str());
    if (kind == "link to the root") rc = ::symlink("/", at.c_str());
    if (kind == "fifo") rc = ::mkfifo(at.c_str(), 0666);
    if (kind == "file") write_file(at, "a file\n", 0644);
    if (kind == "device") rc = ::mknod(at.c_str(), S_IFCHR | 0666, makedev(1, 8));
    ASSERT_EQ(rc, 0);
  }
  std::string decoy_;
};

TEST_F(HostileImage, Matrix) {
  std::string before = state();
  for (const char* path : {"dev", "proc", "sys", "etc", "etc/passwd", "etc/group", "run", "tmp", "srv"}) {
    for (const char* kind : {"missing", "absolute link", "relative link", "dangling link", "link to itself",
                             "link to the root", "fifo", "file", "device"}) {
      remove_tree(image("etc"));
      make_dirs(image("etc"), 0755);
      remove_tree(dir_ + "/upper");
      make_dirs(dir_ + "/upper", 0755);
      plant(path, kind);
      auto q = request({"true"});
      q.spec.process.cwd = "/srv/work";
      q.spec.mounts.push_back({"/run", "tmpfs", "tmpfs", {"nosuid"}});
      q.spec.mounts.push_back({"/tmp/below", "bind", dir_ + "/volume", {"rbind"}});
      q.spec.mounts.push_back({"/etc/hosts", "bind", "/etc/hostname", {"bind"}});
      try {
        finish(start(q));
      } catch (const Error& e) {
        EXPECT_NE(e.message(), "");
      }
      runtime_->clean_up(plan_);
      EXPECT_EQ(state(), before) << path << " is a " << kind;
      // The kernel's own file systems go onto plain folders or nowhere.
      bool kernel_own = std::string(path) == "dev" || std::string(path) == "proc" || std::string(path) == "sys";
      if (kernel_own && std::string(kind) != "missing") {
        EXPECT_NE(refusal(q).message(), "") << path << " is a " << kind;
      }
      remove_tree(image(path));
    }
  }
}

TEST_F(HostileImage, NullDeviceOfTheImageIsNotUsed) {
  make_dirs(image("dev"), 0755);
  ASSERT_EQ(::symlink("/proc/sysrq-trigger", image("dev/null").c_str()), 0);
  auto r = run(shell("stat -c %t:%T /dev/null; cat /proc/kcore | wc -c"));
  EXPECT_EQ(r.out, "1:3\n0\n");
}

TEST_F(HostileImage, CopyUpStaysInside) {
  std::string before = state();
  ASSERT_EQ(::symlink(decoy_.c_str(), image("data").c_str()), 0);
  auto q = request({"true"});
  q.copy_up.push_back({dir_ + "/volume", "/data"});
  refusal(q);
  EXPECT_TRUE(list_dir(dir_ + "/volume").empty());
  EXPECT_EQ(state(), before);
}

TEST_F(HostileImage, DevOfTheUserStays) {
  // -v dir:/dev: no default devices are made in it.
  auto q = request({"ls", "/dev"});
  std::erase_if(q.spec.mounts, [](const auto& m) { return m.destination.starts_with("/dev"); });
  make_dirs(dir_ + "/owndev", 0755);
  q.spec.mounts.push_back({"/dev", "bind", dir_ + "/owndev", {"rbind"}});
  EXPECT_EQ(run(q).out, "");
  EXPECT_TRUE(list_dir(dir_ + "/owndev").empty());
}

}  // namespace
}  // namespace servin::runtime
