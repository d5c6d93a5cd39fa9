// SPDX-License-Identifier: Apache-2.0
// What is mounted in this process's view: /proc/self/mountinfo (proc_pid_mountinfo(5)), its escapes undone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::kernel {

struct MountEntry {
  std::string point, type;
  std::string super_options;  // of the file system: cgroup v1 names its controllers here
  bool is_shared = false, is_slave = false;
  bool operator==(const MountEntry&) const = default;
};

/// In the order of mounting. Lines of another form are left out.
std::vector<MountEntry> parse_mount_table(std::string_view mountinfo);
/// From this process's view.
std::vector<MountEntry> mount_table();

}  // namespace servin::kernel
