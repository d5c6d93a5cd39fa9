// SPDX-License-Identifier: Apache-2.0
// The container's file system, made inside its own mount namespace. Everything inside the root is reached through
// descriptors (os/path_open.h), so that links and renames in a hostile image or a shared volume lead nowhere else.
#pragma once

#include <string>
#include <vector>

#include "os/fd.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {

/// A path in another container's root file system.
struct ContainerPath {
  std::uint64_t pid = 0;
  std::string path;
};

class RootBuilder {
 public:
  explicit RootBuilder(const LaunchPlan& plan) : plan_(plan) {}

  /// Takes copies of the host's folders that will be bound (before their propagation is cut), cuts the propagation of
  /// all mounts, mounts the overlay. A source "/proc/PID/root/..." is taken from that container's mounts.
  void mount_root();
  void copy_up_volumes();
  void mount_all();
  /// Devices outside of /dev, masked and read-only paths, sysctls.
  void protect();
  /// The pty's master; its slave lies at /dev/console and is returned through `slave`.
  Fd open_terminal(Fd& slave, std::uint16_t rows, std::uint16_t columns);
  /// /dev/null of the container.
  Fd open_null(int flags);
  /// As docker: a missing working directory is made.
  void make_working_dir(const std::string& path);
  /// Read-only if asked for, then the switch. Afterwards "/" is the container's and the host's mounts are gone.
  void enter();

  const Fd& root() const { return root_; }

 private:
  void take_sources();
  void take_layers();
  void map_to_user(const MountPlan& mount, const Fd& source) const;
  static Fd take_from(const ContainerPath& other, const MountPlan& mount);
  Fd new_overlay();
  Fd real_folder(const std::string& path);
  Fd target_for(const MountPlan& mount, bool folder);
  void check_target(const MountPlan& mount, const Fd& target, const Fd* source) const;
  void mount_one(const MountPlan& mount, Fd source);
  void mount_dev(const MountPlan& mount);
  void mount_cgroups(const MountPlan& mount);
  static void make_device(const Fd& dir, const std::string& path, const DevicePlan& device);
  void mask(const std::string& path);
  void make_readonly(const std::string& path);
  void write_sysctls();

  const LaunchPlan& plan_;
  std::vector<Fd> sources_;  // one per mount of the plan; closed for those that bind nothing
  Fd root_;
  Fd dev_;    // the tmpfs at /dev, when it is ours
  Fd empty_;  // an attached empty read-only tmpfs, copied over masked folders
};

}  // namespace servin::runtime
