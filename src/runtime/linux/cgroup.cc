// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"
#include "os/file.h"
#include "runtime/linux/device_bpf.h"

namespace servin::runtime {
namespace {

constexpr std::int64_t second = 1'000'000'000;

Fd open_control(const std::string& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) throw_errno("cgroup file {}", path);
  return fd;
}

// One write(2): the kernel takes a value whole.
void write_control(const Fd& fd, const std::string& path, std::string_view value) {
  if (::write(fd.get(), value.data(), value.size()) < 0) throw_errno("write {} to {}", quoted(value), path);
}

void write_control(const std::string& path, std::string_view value) { write_control(open_control(path), path, value); }

bool try_write_control(const std::string& path, std::string_view value) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value.data(), value.size()) >= 0;
}

std::string read_control(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return "";
  std::string out;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer, sizeof buffer)) > 0) out.append(buffer, static_cast<std::size_t>(n));
  return out;
}

bool has_controller(const CgroupPlan& plan, std::string_view name) {
  return std::find(plan.controllers.begin(), plan.controllers.end(), name) != plan.controllers.end();
}

constexpr const char* made_by_us = "trusted.servin";

bool is_named_by_us(std::string_view path) { return path.substr(path.rfind('/') + 1).starts_with("servin-"); }

// A parent is marked, unless its name says it, so that clean-up tells one that we made from one that somebody prepared.
void make_dir(const std::string& path, bool parent) {
  if (::mkdir(path.c_str(), 0755) == 0) {
    if (parent && !is_named_by_us(path)) ::setxattr(path.c_str(), made_by_us, "1", 1, 0);
  } else if (errno != EEXIST) {
    throw_errno("make cgroup {}", path);
  }
}

bool is_ours(const std::string& path) {
  return is_named_by_us(path) || ::getxattr(path.c_str(), made_by_us, nullptr, 0) >= 0;
}

// A v1 cpuset folder takes no process before its processors and memory nodes are set.
void inherit_cpuset(const std::string& parent, const std::string& dir) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    if (!trim(read_control(dir + file)).empty()) continue;
    write_control(dir + file, trim(read_control(parent + file)));
  }
}

void enable_controllers(const CgroupPlan& plan, const std::string& parent) {
  for (const auto& c : plan.controllers) {
    // A controller that is bound to v1 at the moment cannot be switched on here; its limits are v1's business then.
    try_write_control(parent + "/cgroup.subtree_control", "+" + c);
  }
}

// All folders of the path, from the top.
void make_path(const CgroupPlan& plan) {
  std::string dir = plan.mount;
  for (const auto& part : split(std::string_view(plan.path).substr(1), '/')) {
    std::string parent = dir;
    dir += "/" + part;
    if (plan.v2) enable_controllers(plan, parent);
    make_dir(dir, dir.size() < plan.dir().size());
    if (!plan.v2 && has_controller(plan, "cpuset")) inherit_cpuset(parent, dir);
  }
}

Error limit_error(const Error& e, const KeyValue& file) {
  Error out = e;
  if (e.sys_errno() == EINVAL || e.sys_errno() == ERANGE || e.sys_errno() == EBUSY)
    out.with_id("E-LIMIT-REFUSED").with_hint(fmt::format("the kernel refuses {} for {}", quoted(file.value), file.key));
  return out;
}

// The weight of disk access belongs to an I/O scheduler: with BFQ the file has its name, without one there is none.
std::string control_path(const CgroupPlan& plan, const std::string& name) {
  std::string path = plan.dir() + "/" + name;
  bool weight = name == "blkio.weight" || name == "io.weight";
  if (!weight || path_exists(path)) return path;
  path = plan.dir() + (plan.v2 ? "/io.bfq.weight" : "/blkio.bfq.weight");
  if (path_exists(path)) return path;
  throw Error(ErrorCode::failed_precondition, "the weight of disk access cannot be set: no I/O scheduler here knows it")
      .with_id("E-CGROUP-MISSING")
      .with_hint("leave the weight out, or use the scheduler bfq");
}

void write_files(const CgroupPlan& plan) {
  std::string name;
  std::string path;
  Fd fd;
  for (const auto& file : plan.files) {
    try {
      // The rules for devices are many lines of one file.
      if (file.key != name) {
        path = control_path(plan, name = file.key);
        fd = open_control(path);
      }
      write_control(fd, path, file.value);
    } catch (const Error& e) {
      throw limit_error(e, file);
    }
  }
}

void add_pids(const std::string& text, std::vector<pid_t>& out) {
  for (const auto& line : split(text, '\n'))
    if (auto pid = parse_u64(line); pid && *pid > 0) out.push_back(static_cast<pid_t>(*pid));
}

// The folder and those that the container made below it (a cgroup namespace that is writable).
void collect(const std::string& dir, int depth, std::vector<std::string>& out) {
  if (depth > 32 || !path_exists(dir)) return;
  for (const auto& name : list_dir(dir)) {
    std::string path = dir + "/" + name;
    struct stat st{};
    if (::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) collect(path, depth + 1, out);
  }
  out.push_back(dir);
}

void remove_dirs(const CgroupPlan& plan) {
  std::vector<std::string> dirs;
  collect(plan.dir(), 0, dirs);
  for (const auto& dir : dirs) {
    // EBUSY: the last process is dead but the kernel has not let go of the folder yet.
    std::int64_t deadline = monotonic_ns() + 2 * second;
    while (::rmdir(dir.c_str()) != 0 && errno != ENOENT) {
      if (errno != EBUSY || monotonic_ns() > deadline) throw_errno("remove cgroup {}", dir);
      ::poll(nullptr, 0, 1);
    }
  }
}

// The usual end: nobody is inside and the container made no folders of its own, so that one call each does it. False:
// somebody is, or there are (some of the folders may be gone by then).
bool remove_empty_dirs(const std::vector<CgroupPlan>& plans) {
  return std::all_of(plans.begin(), plans.end(),
                     [](const CgroupPlan& plan) { return ::rmdir(plan.dir().c_str()) == 0 || errno == ENOENT; });
}

// Those that nobody uses any more. A mkdir of somebody else at this moment meets ENOENT and tries again.
void remove_empty_parents(const CgroupPlan& plan) {
  std::string parent = plan.path.substr(0, plan.path.rfind('/'));
  while (!parent.empty() && is_ours(plan.mount + parent) && ::rmdir((plan.mount + parent).c_str()) == 0)
    parent.resize(parent.rfind('/'));
}

}  // namespace

const CgroupPlan* find_cgroup(const std::vector<CgroupPlan>& plans, std::string_view v1_controller) {
  for (const auto& p : plans)
    if (!p.v2 && has_controller(p, v1_controller)) return &p;
  for (const auto& p : plans)
    if (p.v2) return &p;
  return nullptr;
}

void make_cgroups(const std::vector<CgroupPlan>& plans) {
  for (const auto& plan : plans) {
    // Somebody who removes the empty parent between two of our mkdirs makes the second fail.
    for (int tries = 0;; ++tries) {
      try {
        make_path(plan);
        break;
      } catch (const Error& e) {
        if (e.sys_errno() != ENOENT || tries > 50) throw;
      }
    }
    write_files(plan);
    if (!plan.devices_bpf.empty()) {
      Fd dir = open_file(plan.dir(), O_RDONLY | O_DIRECTORY);
      attach_device_filter(dir.get(), plan.devices_bpf);
    }
  }
}

// Memory may never be above memory and swap: whether the one or the other has to go first depends on what was before.
// What is refused gets a second try behind the rest.
void change_limits(const CgroupPlan& plan) {
  make_path(plan);
  std::vector<KeyValue> refused;
  auto write = [&](const KeyValue& file) {
    try {
      write_control(control_path(plan, file.key), file.value);
    } catch (const Error& e) {
      throw limit_error(e, file);
    }
  };
  for (const auto& file : plan.files) {
    try {
      write(file);
    } catch (const Error&) {
      refused.push_back(file);
    }
  }
  for (const auto& file : refused) write(file);
}

void move_processes(const std::vector<CgroupPlan>& from, const std::vector<CgroupPlan>& to) {
  for (const auto& plan : to) {
    // Forks meanwhile: until a round finds nobody outside.
    for (int round = 0; round < 100; ++round) {
      auto inside = cgroup_processes({plan});
      auto all = cgroup_processes(from);
      std::erase_if(all, [&](pid_t pid) { return std::binary_search(inside.begin(), inside.end(), pid); });
      if (all.empty()) break;
      for (pid_t pid : all) try_write_control(plan.dir() + "/cgroup.procs", std::to_string(pid));
    }
  }
}

CgroupDoors open_cgroups(const std::vector<CgroupPlan>& plans) {
  CgroupDoors doors;
  for (const auto& plan : plans) {
    if (plan.v2) {
      doors.v2 = open_file(plan.dir(), O_RDONLY | O_DIRECTORY);
    } else {
      doors.tasks.push_back(open_file(plan.dir() + "/tasks", O_WRONLY));
    }
  }
  return doors;
}

std::vector<pid_t> cgroup_processes(const std::vector<CgroupPlan>& plans) {
  std::vector<pid_t> pids;
  for (const auto& plan : plans) {
    std::vector<std::string> dirs;
    collect(plan.dir(), 0, dirs);
    for (const auto& dir : dirs) add_pids(read_control(dir + "/cgroup.procs"), pids);
  }
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

// A pid could be somebody else's by the time of the signal. Whoever still is in the cgroup after a descriptor of it
// was opened is the one that the descriptor holds.
void signal_cgroups(const std::vector<CgroupPlan>& plans, int signal) {
  if (signal == SIGKILL) {
    for (const auto& plan : plans)
      if (plan.v2) try_write_control(plan.dir() + "/cgroup.kill", "1");
  }
  std::map<pid_t, Fd> held;
  for (pid_t pid : cgroup_processes(plans)) {
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd) {
      held.emplace(pid, std::move(pidfd));
    } else if (errno == ENOSYS) {
      ::kill(pid, signal);
    }
    if (held.size() >= 512) break;  // the rest comes with the next round
  }
  if (held.empty()) return;
  for (pid_t pid : cgroup_processes(plans))
    if (auto it = held.find(pid); it != held.end())
      ::syscall(SYS_pidfd_send_signal, it->second.get(), signal, nullptr, 0);
}

namespace {

void remove_used_cgroups(const std::vector<CgroupPlan>& plans) {
  std::int64_t deadline = monotonic_ns() + 10 * second;
  if (!cgroup_processes(plans).empty() && cgroups_frozen(plans)) freeze_cgroups(plans, false);
  for (;;) {
    signal_cgroups(plans, SIGKILL);
    auto left = cgroup_processes(plans);
    if (left.empty()) break;
    if (monotonic_ns() > deadline)
      throw error(ErrorCode::timeout, "process {} of the container does not die", left.front())
          .with_hint("it waits in the kernel, perhaps for a disk or a network file system");
    ::poll(nullptr, 0, 1);
  }
  for (const auto& plan : plans) remove_dirs(plan);
}

}  // namespace

void remove_cgroups(const std::vector<CgroupPlan>& plans) {
  if (!remove_empty_dirs(plans)) remove_used_cgroups(plans);
  for (const auto& plan : plans) remove_empty_parents(plan);
}

bool cgroups_frozen(const std::vector<CgroupPlan>& plans) {
  const CgroupPlan* p = find_cgroup(plans, "freezer");
  if (p == nullptr) return false;
  if (!p->v2) return trim(read_control(p->dir() + "/freezer.state")) != "THAWED" && path_exists(p->dir());
  return trim(read_control(p->dir() + "/cgroup.freeze")) == "1";
}

void freeze_cgroups(const std::vector<CgroupPlan>& plans, bool freeze) {
  const CgroupPlan* p = find_cgroup(plans, "freezer");
  if (p == nullptr)
    throw Error(ErrorCode::failed_precondition, "this host has no freezer for cgroups").with_id("E-CGROUP-MISSING");
  std::string file = p->dir() + (p->v2 ? "/cgroup.freeze" : "/freezer.state");
  std::string wanted = p->v2 ? (freeze ? "1" : "0") : (freeze ? "FROZEN" : "THAWED");
  std::int64_t deadline = monotonic_ns() + 10 * second;
  for (;;) {
    // v1 may stay at FREEZING when a process forks meanwhile: writing again helps.
    write_control(file, wanted);
    std::string state = read_control(p->v2 ? p->dir() + "/cgroup.events" : file);
    bool done = p->v2 ? state.find(freeze ? "frozen 1" : "frozen 0") != std::string::npos : trim(state) == wanted;
    if (done) return;
    if (monotonic_ns() > deadline) {
      if (freeze) try_write_control(file, p->v2 ? "0" : "THAWED");
      throw Error(ErrorCode::timeout, "the container's processes cannot be paused");
    }
    ::poll(nullptr, 0, 1);
  }
}

}  // namespace servin::runtime
