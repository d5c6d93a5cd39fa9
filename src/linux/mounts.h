// SPDX-License-Identifier: Apache-2.0
// linux/: thin typed wrappers over kernel calls, without policy (no file here has the name of a kernel header:
// <linux/mount.h> would find it). This file: the mount API of Linux 5.2 (open_tree, move_mount, fsopen, fsconfig,
// fsmount) and mount_setattr (5.12). Mounts are descriptors until they are attached, and are attached onto descriptors,
// so that no path is looked up twice.
#pragma once

#include <cstdint>
#include <string>

#include "os/fd.h"

namespace servin::kernel {

/// The mount at a descriptor as a detached copy; `recursive`: with the mounts below it.
Fd clone_mount(const Fd& at, bool recursive);
/// Attaches a detached mount onto the file or folder that `target` holds. `what` names the place in errors.
void attach_mount(const Fd& mount, const Fd& target, const std::string& what);
/// Attribute bits are MOUNT_ATTR_*; propagation 0 or MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE.
void set_mount_attributes(const Fd& mount, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          bool recursive);
/// The same on an attached mount by path, for the whole tree below it.
void set_propagation(const char* path, std::uint64_t propagation);
/// statfs(2) f_type of the file system that a descriptor lies on.
std::uint64_t filesystem_magic(const Fd& fd);

/// A file system that is being configured.
class FsContext {
 public:
  explicit FsContext(const std::string& type);
  void set(const std::string& key, const std::string& value);
  /// False when the kernel does not know the key (EINVAL), so that an older form can be tried.
  bool try_set(const std::string& key, const std::string& value);
  void set_flag(const std::string& key);
  /// Makes the superblock and returns the detached mount.
  Fd mount(std::uint64_t attributes);

 private:
  [[noreturn]] void fail(const std::string& what, int err) const;
  std::string type_;
  Fd fd_;
};

}  // namespace servin::kernel
