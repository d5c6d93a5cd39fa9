// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/rootfs.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sched.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/id_map.h"
#include "linux/mounts.h"
#include "linux/process.h"
#include "os/path_open.h"
#include "runtime/linux/copy_up.h"
#include "runtime/linux/overlay.h"
#include "runtime/linux/users.h"

// <sys/mount.h> cannot stand beside <linux/mount.h> with glibc 2.36.
extern "C" int umount2(const char* target, int flags) noexcept;

namespace servin::runtime {
namespace {

constexpr std::uint64_t ms_private = 1 << 18;

struct stat stat_of(const Fd& fd) {
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw_errno("look at a file");
  return st;
}

bool is_folder(const Fd& fd) { return S_ISDIR(stat_of(fd).st_mode); }

bool same_file(const Fd& a, const Fd& b) {
  struct stat x = stat_of(a), y = stat_of(b);
  return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

std::string clean_path(const std::string& path) {
  std::string out;
  for (const auto& part : split(path, '/'))
    if (!part.empty() && part != ".") out += "/" + part;
  return out.empty() ? "/" : out;
}

// What lxcfs puts over single files of /proc; nothing in them is trusted by us.
bool may_cover_proc(const std::string& path) {
  for (const char* allowed : {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps",
                              "/proc/uptime", "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev"})
    if (path == allowed) return true;
  return false;
}

Fd open_source(const std::string& path) {
  Fd source(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (source) return source;
  throw errno_error(errno, fmt::format("mount source {}", quoted(path)))
      .with_id("E-MOUNT-SOURCE")
      .with_hint("it has to exist on this host");
}

// The part of a volume or image that is wanted: its links lead to places inside of it.
Fd open_part(Fd whole, const MountPlan& m) {
  if (m.subpath.empty()) return whole;
  Fd part = try_open_in_root(whole, m.subpath, O_PATH);
  if (part) return part;
  throw errno_error(errno, fmt::format("mount onto {}: {} in its source", quoted(m.target), quoted(m.subpath)))
      .with_id("E-MOUNT-SUBPATH")
      .with_hint("a subpath has to be there already; make it first");
}

// "/proc/PID/root/dev/shm"
std::optional<ContainerPath> in_container(const std::string& source) {
  auto parts = split(source, '/');
  if (parts.size() < 5 || parts[1] != "proc" || parts[3] != "root") return std::nullopt;
  auto pid = parse_u64(parts[2]);
  if (!pid) return std::nullopt;
  return ContainerPath{*pid, source.substr(source.find("/root/") + 5)};
}

Error unsafe(const std::string& path, std::string_view why) {
  return error(ErrorCode::permission_denied, "mount onto {}: {}", quoted(path), why).with_id("E-MOUNT-REFUSED");
}

}  // namespace

void RootBuilder::take_sources() {
  for (const auto& m : plan_.mounts) {
    Fd copy;
    if (m.kind == MountPlan::Kind::bind) {
      if (auto other = in_container(m.source)) {
        copy = take_from(*other, m);
      } else {
        copy = kernel::clone_mount(open_part(open_source(m.source), m), m.recursive);
      }
    }
    sources_.push_back(std::move(copy));
  }
}

// Mounts can be copied only from inside of their own mount namespace: there and back. The path is resolved below the
// other container's root, whatever its links say.
Fd RootBuilder::take_from(const ContainerPath& other, const MountPlan& m) {
  Fd own = open_file("/proc/self/ns/mnt", O_RDONLY);
  Fd there = open_file(fmt::format("/proc/{}/ns/mnt", other.pid), O_RDONLY);
  kernel::join_namespaces(there, CLONE_NEWNS, "the other container's mounts");
  Fd copy;
  std::optional<Error> failed;
  try {
    Fd root = open_file("/", O_PATH | O_DIRECTORY);
    copy = kernel::clone_mount(open_in_root(root, other.path, O_PATH), m.recursive);
  } catch (const Error& e) {
    failed = e;
  }
  kernel::join_namespaces(own, CLONE_NEWNS, "the own mounts");
  if (failed) throw failed->context(fmt::format("mount source {}", quoted(m.source)));
  return copy;
}

// Images that are mounted. A part of a mount can be copied only while it is attached somewhere (until Linux 6.15), and
// the root's own mount point is free at this moment.
void RootBuilder::take_layers() {
  for (std::size_t i = 0; i < plan_.mounts.size(); ++i) {
    const MountPlan& m = plan_.mounts[i];
    if (m.kind != MountPlan::Kind::layers) continue;
    LaunchPlan layers;
    layers.lowers = m.lowers;
    layers.mount_point = plan_.mount_point;
    if (Fd mount = mount_overlay(layers))
      kernel::attach_mount(mount, open_file(plan_.mount_point, O_PATH | O_DIRECTORY), plan_.mount_point);
    Fd whole = open_file(plan_.mount_point, O_PATH | O_DIRECTORY);
    sources_[i] = kernel::clone_mount(open_part(std::move(whole), m), false);
    constexpr int detach = 2;
    if (::umount2(plan_.mount_point.c_str(), detach) != 0) throw_errno("take off {}", plan_.mount_point);
  }
}

void RootBuilder::mount_root() {
  take_sources();
  // A mount that is made below a shared one would appear on the host.
  kernel::set_propagation("/", ms_private);
  take_layers();
  Fd mount = mount_overlay(plan_);
  if (mount) {
    Fd point(::open(plan_.mount_point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!point) throw_errno("mount point {}", plan_.mount_point);
    kernel::attach_mount(mount, point, plan_.mount_point);
    root_ = std::move(mount);
  } else {
    root_ = Fd(::open(plan_.mount_point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root_) throw_errno("root file system {}", plan_.mount_point);
  }
}

void RootBuilder::copy_up_volumes() {
  for (const auto& c : plan_.copy_up) copy_up(root_, c.target, c.volume_dir);
}

void RootBuilder::mount_all() {
  for (std::size_t i = 0; i < plan_.mounts.size(); ++i) {
    try {
      mount_one(plan_.mounts[i], std::move(sources_[i]));
    } catch (Error& e) {
      if (e.id().empty()) e.context(fmt::format("mount {}", plan_.mounts[i].target));
      throw;
    }
  }
}

// A folder of the image that is no link, on whose place the kernel's own file systems go. An image whose /proc is a
// link would otherwise have procfs mounted, masked and written wherever it points (CVE-2019-19921 and its kin).
Fd RootBuilder::real_folder(const std::string& path) {
  Fd fd = try_open_in_root(root_, path, O_PATH | O_DIRECTORY, 0, Links::none);
  if (!fd && errno == ENOENT) {
    make_dirs_in_root(root_, path, 0755);
    fd = try_open_in_root(root_, path, O_PATH | O_DIRECTORY, 0, Links::none);
  }
  if (fd) return fd;
  if (errno == ELOOP || errno == ENOTDIR) throw unsafe(path, "it is not a plain folder in this image");
  throw_errno("open {}", path);
}

Fd RootBuilder::target_for(const MountPlan& m, bool folder) {
  bool kernel_own = m.kind != MountPlan::Kind::bind && m.kind != MountPlan::Kind::layers && m.type != "tmpfs";
  if (kernel_own || m.kind == MountPlan::Kind::dev) return real_folder(m.target);
  Fd fd = try_open_in_root(root_, m.target, O_PATH);
  if (fd) return fd;
  if (errno != ENOENT) throw_errno("open {}", m.target);
  if (folder) return make_dirs_in_root(root_, m.target, 0755);
  auto slash = m.target.rfind('/');
  if (slash != 0) make_dirs_in_root(root_, m.target.substr(0, slash), 0755);
  // O_NONBLOCK: whoever shares a volume with us could put a fifo here meanwhile.
  open_in_root(root_, m.target, O_RDONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0644);
  return open_in_root(root_, m.target, O_PATH);
}

void RootBuilder::check_target(const MountPlan& m, const Fd& target, const Fd* source) const {
  if (same_file(target, root_)) throw unsafe(m.target, "it leads to the container's root");
  std::string path = clean_path(m.target);
  bool in_proc = path == "/proc" || path.starts_with("/proc/") || kernel::filesystem_magic(target) == PROC_SUPER_MAGIC;
  if (!in_proc || m.type == "proc") return;
  // What the container writes to /proc/self/attr and the like, and what we mask there, has to be the kernel's
  // (CVE-2019-16884).
  if (path == "/proc" && source != nullptr && kernel::filesystem_magic(*source) == PROC_SUPER_MAGIC) return;
  if (source != nullptr && may_cover_proc(path)) return;
  throw unsafe(m.target, "only procfs may lie at /proc");
}

void RootBuilder::map_to_user(const MountPlan& m, const Fd& source) const {
  struct stat owner = stat_of(source);
  User user;
  user.uid = plan_.uid;
  user.gid = plan_.gid;
  if (!plan_.user.empty()) user = resolve_user_in(root_, plan_.user, {});
  if (owner.st_uid == user.uid && owner.st_gid == user.gid) return;
  Fd names = kernel::make_user_namespace(kernel::swapped_ids(owner.st_uid, user.uid),
                                         kernel::swapped_ids(owner.st_gid, user.gid));
  kernel::map_ids(source, names, quoted(m.target));
}

void RootBuilder::mount_one(const MountPlan& m, Fd source) {
  if (m.kind == MountPlan::Kind::dev) return mount_dev(m);
  if (m.kind == MountPlan::Kind::cgroup) return mount_cgroups(m);
  Fd mount;
  bool bind = m.kind == MountPlan::Kind::bind || m.kind == MountPlan::Kind::layers;
  if (bind) {
    kernel::set_mount_attributes(source, 0, 0, m.propagation != 0 ? m.propagation : ms_private,
                                 m.propagation == 0 || m.propagation_recursive);
    if (m.set != 0 || m.clear != 0) kernel::set_mount_attributes(source, m.set, m.clear, 0, m.recursive_attributes);
    if (m.owner_to_user) map_to_user(m, source);
    mount = std::move(source);
  } else {
    kernel::FsContext fs(m.type);
    for (const auto& o : m.options) o.value.empty() ? fs.set_flag(o.key) : fs.set(o.key, o.value);
    mount = fs.mount(m.set);
  }
  Fd target = target_for(m, !bind || is_folder(mount));
  check_target(m, target, bind ? &mount : nullptr);
  if (bind && is_folder(mount) != is_folder(target))
    throw unsafe(m.target, is_folder(mount) ? "the source is a folder and this is a file"
                                            : "the source is a file and this is a folder")
        .with_id("E-MOUNT-KIND");
  kernel::attach_mount(mount, target, m.target);
}

void RootBuilder::mount_cgroups(const MountPlan& m) {
  if (plan_.cgroups.empty()) return;
  Fd target = real_folder(m.target);
  bool v1 = false;
  for (const auto& c : plan_.cgroups) v1 = v1 || !c.v2;
  if (!v1) {
    kernel::FsContext fs("cgroup2");
    kernel::attach_mount(fs.mount(m.set), target, m.target);
    return;
  }
  kernel::FsContext tmp("tmpfs");
  tmp.set("mode", "755");
  Fd top = tmp.mount(m.set & ~std::uint64_t{MOUNT_ATTR_RDONLY});
  kernel::attach_mount(top, target, m.target);
  for (const auto& c : plan_.cgroups) {
    if (c.v2) continue;
    kernel::FsContext fs("cgroup");
    for (const auto& controller : c.controllers) fs.set_flag(controller);
    std::string name = join(c.controllers, ",");
    Fd dir = make_dirs_in_root(top, name, 0755);
    kernel::attach_mount(fs.mount(m.set), dir, m.target + "/" + name);
  }
  kernel::set_mount_attributes(top, MOUNT_ATTR_RDONLY, 0, 0, false);
}

void RootBuilder::make_working_dir(const std::string& path) {
  if (try_open_in_root(root_, path, O_PATH | O_DIRECTORY)) return;
  int err = errno;
  auto fail = [&](const Error& e) {
    return Error(e)
        .context(fmt::format("working directory {}", quoted(path)))
        .with_id("E-WORKDIR")
        .with_hint("choose another one with -w");
  };
  // "/proc/self" is somebody else's for us; servin-init will see.
  if (err == ENOENT && clean_path(path).starts_with("/proc/")) return;
  if (err != ENOENT) throw fail(errno_error(err, "open"));
  try {
    make_dirs_in_root(root_, path, 0755);
  } catch (const Error& e) {
    throw fail(e);
  }
}

void RootBuilder::enter() {
  if (plan_.root_readonly) kernel::set_mount_attributes(root_, MOUNT_ATTR_RDONLY, 0, 0, false);
  if (::fchdir(root_.get()) != 0) throw_errno("enter the root file system");
  // With both names the same the old root comes to lie on top of the new one and is taken off there: no folder inside
  // the image is needed for it.
  if (::syscall(SYS_pivot_root, ".", ".") != 0) throw_errno("switch to the root file system");
  constexpr int detach = 2;
  if (::umount2(".", detach) != 0) throw_errno("leave the host's file systems");
  if (::chdir("/") != 0) throw_errno("enter /");
}

}  // namespace servin::runtime
