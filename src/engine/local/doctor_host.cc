// SPDX-License-Identifier: Apache-2.0
#include "engine/local/doctor_host.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <unistd.h>

#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/capabilities.h"
#include "linux/cgroup_layout.h"
#include "os/file.h"
#include "os/process.h"

namespace servin::engine {
namespace {

using Result = DoctorCheck::Result;

class Checks {
 public:
  void add(std::string name, Result result, std::string detail, std::string fix = "") {
    list_.push_back({std::move(name), result, std::move(detail), result == Result::ok ? "" : std::move(fix)});
  }
  void require(std::string name, bool good, std::string yes, std::string no, std::string fix) {
    add(std::move(name), good ? Result::ok : Result::failed, good ? std::move(yes) : std::move(no), std::move(fix));
  }
  void prefer(std::string name, bool good, std::string yes, std::string no, std::string fix) {
    add(std::move(name), good ? Result::ok : Result::warning, good ? std::move(yes) : std::move(no), std::move(fix));
  }
  std::vector<DoctorCheck> take() { return std::move(list_); }

 private:
  std::vector<DoctorCheck> list_;
};

bool has_line(const std::string& path, std::string_view word) {
  for (const auto& line : split(read_file(path).value_or(""), '\n')) {
    std::string_view text = trim(line);
    auto tab = text.find_last_of(" \t");
    if ((tab == std::string_view::npos ? text : text.substr(tab + 1)) == word) return true;
  }
  return false;
}

std::uint64_t number_in(const std::string& path) { return parse_u64(trim(read_file(path).value_or(""))).value_or(0); }

// Is the system call there at all? Arguments that make it fail otherwise.
bool has_call(long number, long a, long b, long c, long d) {
  return ::syscall(number, a, b, c, d, 0) >= 0 || errno != ENOSYS;
}

void check_kernel(Checks& c) {
  utsname name{};
  ::uname(&name);
  auto parts = split(name.release, '.');
  std::uint64_t major = parse_u64(parts[0]).value_or(0);
  std::uint64_t minor = parts.size() > 1 ? parse_u64(parts[1].substr(0, parts[1].find('-'))).value_or(0) : 0;
  bool good = major > 5 || (major == 5 && minor >= 12);
  c.require("kernel", good, name.release, fmt::format("{} is older than 5.12", name.release),
            "install a newer kernel: apt install linux-image-amd64");
  std::string machine = name.machine;
  c.require("architecture", machine == "x86_64" || machine == "aarch64", machine, machine + " is not supported",
            "use an amd64 or arm64 host");
  c.require("system call openat2", has_call(SYS_openat2, -1, 0, 0, 0), "there",
            "missing: paths are walked step by step", "use Linux 5.6 or newer");
  c.require("system call clone3", has_call(SYS_clone3, 0, 0, 0, 0), "there", "missing or forbidden",
            "use Linux 5.3 or newer");
  c.require("system call pidfd_open", has_call(SYS_pidfd_open, -1, 0, 0, 0), "there", "missing or forbidden",
            "use Linux 5.3 or newer");
  c.require("system call mount_setattr", has_call(SYS_mount_setattr, -1, 0, 0, 0), "there", "missing or forbidden",
            "use Linux 5.12 or newer");
  c.require("system call fsopen", has_call(SYS_fsopen, 0, 0, 0, 0), "there", "missing or forbidden",
            "use Linux 5.2 or newer");
  c.require("system call memfd_create", has_call(SYS_memfd_create, 0, 0, 0, 0), "there", "missing or forbidden",
            "use Linux 3.17 or newer");
}

void check_file_systems(Checks& c) {
  c.require("overlayfs", has_line("/proc/filesystems", "overlay"), "there", "not in this kernel", "modprobe overlay");
  c.require("tmpfs", has_line("/proc/filesystems", "tmpfs"), "there", "not in this kernel",
            "use a kernel with CONFIG_TMPFS");
  c.require("devpts", has_line("/proc/filesystems", "devpts"), "there", "not in this kernel",
            "use a kernel with CONFIG_UNIX98_PTYS");
  c.prefer("mqueue", has_line("/proc/filesystems", "mqueue"), "there", "no POSIX message queues",
           "use a kernel with CONFIG_POSIX_MQUEUE");
  c.require("proc", path_exists("/proc/self/stat"), "mounted", "/proc is not mounted", "mount -t proc proc /proc");
}

void check_namespaces(Checks& c) {
  for (const char* type : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    c.require(fmt::format("namespace {}", type), path_exists(fmt::format("/proc/self/ns/{}", type)), "there",
              "not in this kernel", "use a kernel with namespaces");
  }
  c.require("seccomp",
            has_line("/proc/sys/kernel/seccomp/actions_avail", "log") ||
                path_exists("/proc/sys/kernel/seccomp/actions_avail"),
            "filters are there", "no seccomp filters", "use a kernel with CONFIG_SECCOMP_FILTER");
}

void check_cgroups(Checks& c) {
  auto hierarchies = kernel::cgroup_hierarchies();
  std::string layout = kernel::layout_name(hierarchies);
  c.require("control groups", layout != "none", layout, "none are mounted", "mount -t cgroup2 none /sys/fs/cgroup");
  auto found = [&](std::string_view name) {
    for (const auto& h : hierarchies)
      for (const auto& controller : h.controllers)
        if (controller == name) return true;
    return false;
  };
  bool v2 = std::any_of(hierarchies.begin(), hierarchies.end(), [](const auto& h) { return h.v2; });
  c.require("control of devices", found("devices") || v2, found("devices") ? "by cgroup v1" : "by BPF programs",
            "only privileged containers can be started", "mount -t cgroup2 none /sys/fs/cgroup");
  for (const char* name : {"memory", "cpu", "pids", "cpuset"}) {
    c.prefer(fmt::format("controller {}", name), found(name), "there", fmt::format("limits of {} cannot be kept", name),
             fmt::format("enable it on the kernel's command line: cgroup_enable={}", name));
  }
}

void check_rights(Checks& c) {
  c.require("root", ::geteuid() == 0, "running as root", "not running as root", "sudo servin system doctor");
  auto caps = kernel::effective_caps();
  c.require("capability SYS_ADMIN", (caps & kernel::cap_bit(*kernel::cap_number("SYS_ADMIN"))) != 0, "there", "missing",
            "run servin as root, outside of other containers");
  c.prefer("capability SYS_RESOURCE", (caps & kernel::cap_bit(*kernel::cap_number("SYS_RESOURCE"))) != 0, "there",
           "missing: limits can only be lowered", "run servin outside of other containers");
  c.prefer("capability NET_ADMIN", (caps & kernel::cap_bit(*kernel::cap_number("NET_ADMIN"))) != 0, "there", "missing",
           "run servin as root, outside of other containers");
  c.prefer("SELinux", !path_exists("/sys/fs/selinux/enforce"), "not in the way", "enabled: containers get no labels",
           "setenforce 0, if containers are refused access to their files");
}

void check_limits(Checks& c) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  c.prefer("open files", files.rlim_max >= 4096, fmt::format("up to {}", files.rlim_max),
           fmt::format("only {} allowed", files.rlim_max), "ulimit -n 65536");
  std::uint64_t pids = number_in("/proc/sys/kernel/pid_max");
  c.prefer("process numbers", pids >= 32768, fmt::format("up to {}", pids), fmt::format("only {}", pids),
           "sysctl -w kernel.pid_max=4194304");
  std::uint64_t watches = number_in("/proc/sys/fs/inotify/max_user_instances");
  c.prefer("inotify instances", watches >= 128, fmt::format("up to {}", watches), fmt::format("only {}", watches),
           "sysctl -w fs.inotify.max_user_instances=512");
  c.prefer("clock", ::time(nullptr) > 1'700'000'000, "plausible", "the date is wrong: times of containers will be, too",
           "set it: timedatectl set-ntp true");
}

void check_space(Checks& c, const std::string& name, const std::string& dir) {
  std::string existing = dir;
  while (existing.size() > 1 && !path_exists(existing)) existing = existing.substr(0, existing.rfind('/'));
  if (existing.empty()) existing = "/";
  struct statvfs st{};
  if (::statvfs(existing.c_str(), &st) != 0)
    return c.add(name, Result::failed, errno_text(errno), "look at " + existing);
  std::uint64_t free = static_cast<std::uint64_t>(st.f_bavail) * st.f_frsize;
  c.prefer("space for " + name, free >= (512U << 20U), human_size(free) + " free",
           human_size(free) + " free in " + existing, "servin system prune");
  bool inodes = st.f_files == 0 || st.f_favail * 20 >= st.f_files;
  c.prefer("file numbers for " + name, inodes, "enough", "fewer than one in twenty is free", "servin system prune");
  c.require("writable " + name, (st.f_flag & ST_RDONLY) == 0, "yes", existing + " is mounted read-only",
            "mount -o remount,rw " + existing);
}

void check_mode(Checks& c, const std::string& name, const std::string& dir) {
  struct stat st{};
  if (::lstat(dir.c_str(), &st) != 0) return c.add("mode of " + name, Result::ok, "not made yet");
  bool good = S_ISDIR(st.st_mode) && (st.st_mode & 077) == 0 && st.st_uid == ::geteuid();
  c.require("mode of " + name, good, "only its owner has access", dir + " is open to others",
            fmt::format("chown root: {} && chmod 700 {}", dir, dir));
}

void check_install(Checks& c) {
  for (const char* name : {"servin-shim", "servin-netd", "servin-transfer"}) {
    try {
      c.add(name, Result::ok, companion_program(name));
    } catch (const Error& e) {
      c.add(name, Result::failed, e.message(), e.hint());
    }
  }
}

}  // namespace

std::vector<DoctorCheck> check_host(const Paths& paths) {
  Checks c;
  check_kernel(c);
  check_file_systems(c);
  check_namespaces(c);
  check_cgroups(c);
  check_rights(c);
  check_limits(c);
  check_space(c, "the engine", paths.root);
  check_space(c, "running containers", paths.run);
  check_mode(c, "the root folder", paths.root);
  check_mode(c, "the run folder", paths.run);
  check_install(c);
  return c.take();
}

}  // namespace servin::engine
