// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/root_mounts.h"

#include <fcntl.h>
#include <sched.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "os/path_open.h"

namespace servin::runtime {
namespace {

/// A descriptor as a path for mount(2): places inside the image are resolved once, below its root, and the image cannot
/// lead the mount elsewhere with a link.
std::string path_of(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

void mount_overlay(const HostPlan& plan) {
  // Short names through descriptors: many layers fit into the one page of options, and no character needs escaping.
  std::vector<Fd> layers;
  std::string options = "lowerdir=";
  for (const std::string& lower : plan.lowers) {
    layers.push_back(open_file(lower, O_PATH | O_DIRECTORY));
    if (layers.size() > 1) options += ':';
    options += path_of(layers.back());
  }
  Fd upper = open_file(plan.upper, O_PATH | O_DIRECTORY);
  Fd work = open_file(plan.work, O_PATH | O_DIRECTORY);
  options += fmt::format(",upperdir={},workdir={}", path_of(upper), path_of(work));
  if (plan.volatile_) options += ",volatile";
  if (::mount("overlay", plan.mount_point.c_str(), "overlay", 0, options.c_str()) != 0)
    throw_errno("mount the root file system on {}", plan.mount_point);
}

void bind(const std::string& source, const Fd& target, bool recursive, const std::string& name) {
  unsigned long flags = recursive ? MS_BIND | MS_REC : MS_BIND;
  if (::mount(source.c_str(), path_of(target).c_str(), nullptr, flags, nullptr) != 0)
    throw_errno("mount {} on {}", source, name);
}

Fd place_for(const Fd& root, const HostMount& m) {
  struct stat s{};
  bool folder = m.source.empty() || ::stat(m.source.c_str(), &s) != 0 || S_ISDIR(s.st_mode);
  if (folder) return make_dirs_in_root(root, m.target);
  std::string parent = m.target.substr(0, m.target.rfind('/'));
  make_dirs_in_root(root, parent);
  open_in_root(root, m.target, O_RDONLY | O_CREAT | O_NONBLOCK, 0644);
  return open_in_root(root, m.target, O_PATH);
}

void mount_one(const Fd& root, const HostMount& m) {
  Fd place = place_for(root, m);
  if (m.source.empty()) {
    unsigned long flags = 0;
    if (m.read_only) flags = MS_RDONLY;
    if (::mount("tmpfs", path_of(place).c_str(), "tmpfs", flags, m.options.c_str()) != 0)
      throw_errno("mount a tmpfs on {}", m.target);
    return;
  }
  bind(m.source, place, m.recursive, m.target);
  if (!m.read_only) return;
  Fd mounted = open_in_root(root, m.target, O_PATH);
  if (::mount(nullptr, path_of(mounted).c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0)
    throw_errno("make {} read-only", m.target);
}

}  // namespace

Fd mount_root(const HostPlan& plan) {
  if (::unshare(CLONE_NEWNS) != 0) throw_errno("make a mount namespace");
  // What the host mounts later still appears here; nothing of ours appears there.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) throw_errno("separate the mounts");
  mount_overlay(plan);
  Fd root = open_file(plan.mount_point, O_PATH | O_DIRECTORY);
  for (const char* place : {"/dev", "/proc", "/sys"}) bind(place, make_dirs_in_root(root, place), true, place);
  // So that names resolve as they do on the host.
  for (const char* file : {"/etc/resolv.conf", "/etc/hosts"}) {
    struct stat s{};
    if (::stat(file, &s) == 0 && S_ISREG(s.st_mode)) mount_one(root, {file, file, "", false, false});
  }
  for (const HostMount& m : plan.mounts) mount_one(root, m);
  return root;
}

}  // namespace servin::runtime
