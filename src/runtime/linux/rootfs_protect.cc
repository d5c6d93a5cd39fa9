// SPDX-License-Identifier: Apache-2.0
// Masked and read-only paths, sysctls, devices that do not lie in /dev.
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/mounts.h"
#include "os/path_open.h"
#include "runtime/linux/rootfs.h"

namespace servin::runtime {
namespace {

bool missing(int err) { return err == ENOENT || err == ENOTDIR; }

}  // namespace

// What covers a masked path is made by us and held by descriptor: an empty read-only folder, or the null device whose
// numbers have been looked at (CVE-2025-31133: a /dev/null that was a link).
void RootBuilder::mask(const std::string& path) {
  Fd target = try_open_in_root(root_, path, O_PATH, 0, Links::none);
  if (!target) {
    if (missing(errno)) return;
    throw_errno("mask {}", path);
  }
  struct stat st{};
  if (::fstat(target.get(), &st) != 0) throw_errno("mask {}", path);
  if (!S_ISDIR(st.st_mode)) {
    kernel::attach_mount(kernel::clone_mount(open_null(O_PATH), false), target, path);
  } else if (empty_) {
    kernel::attach_mount(kernel::clone_mount(empty_, false), target, path);
  } else {
    kernel::FsContext fs("tmpfs");
    fs.set("size", "0");
    fs.set("nr_inodes", "1");
    empty_ = fs.mount(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    kernel::attach_mount(empty_, target, path);
  }
}

void RootBuilder::make_readonly(const std::string& path) {
  Fd target = try_open_in_root(root_, path, O_PATH, 0, Links::none);
  if (!target) {
    if (missing(errno)) return;
    throw_errno("make {} read-only", path);
  }
  Fd copy = kernel::clone_mount(target, true);
  kernel::set_mount_attributes(copy, MOUNT_ATTR_RDONLY, 0, 0, true);
  kernel::attach_mount(copy, target, path);
}

// Through a procfs of our own that nobody can have covered (CVE-2025-52881).
void RootBuilder::write_sysctls() {
  if (plan_.sysctls.empty()) return;
  Fd proc = kernel::FsContext("proc").mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  for (const auto& s : plan_.sysctls) {
    Fd file = try_open_in_root(proc, "sys/" + s.key, O_WRONLY, 0, Links::none);
    if (!file)
      throw errno_error(errno, "sysctl " + s.key).with_id("E-SYSCTL-REFUSED").with_hint("this kernel does not have it");
    if (kernel::filesystem_magic(file) != PROC_SUPER_MAGIC)
      throw error(ErrorCode::permission_denied, "sysctl {} does not lie in procfs", s.key);
    if (::write(file.get(), s.value.data(), s.value.size()) < 0)
      throw errno_error(errno, fmt::format("write {} to sysctl {}", quoted(s.value), s.key))
          .with_id("E-SYSCTL-REFUSED");
  }
}

void RootBuilder::protect() {
  for (const auto& d : plan_.devices)
    if (!dev_ || !d.path.starts_with("/dev/")) make_device(root_, d.path.substr(1), d);
  for (const auto& path : plan_.masked_paths) mask(path);
  for (const auto& path : plan_.readonly_paths) make_readonly(path);
  write_sysctls();
}

}  // namespace servin::runtime
