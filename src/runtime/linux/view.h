// SPDX-License-Identifier: Apache-2.0
// A container's tree of files as it is seen from inside, for those who work on it from outside: through its mounts when
// it runs, and with its volumes and binds put together the same way when it does not. Mounts of a view live in a mount
// namespace of their own that nobody is in: they go with the object, whatever ends this process.
//
// A child of this process, which has one thread, enters or makes the namespace and hands descriptors back.
#pragma once

#include <string>
#include <vector>

#include "os/fd.h"
#include "os/process.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {

struct View {
  Fd root;   // O_PATH of the root folder
  Fd names;  // keeps the mount namespace; closed when none was made
};

/// All that a running container sees. Throws E-NOT-RUNNING when the process is gone.
View view_running(const ProcessId& process);
/// Its root's own file system, without what is mounted on it.
View view_running_root(const ProcessId& process);

enum class ViewMode {
  read,   // what is changed (mount points that are missing) goes to memory and is lost with the view
  write,  // the container's own upper folder: it must not run, and nobody else may mount it
};
/// `plan`: lowers, upper, work, mount_point, user, copy_up and the mounts that are wanted.
View view_stopped(const LaunchPlan& plan, ViewMode mode);
/// Folders on each other, read-only. `mount_point`: an empty folder. One alone needs no mount.
View view_layers(const std::vector<std::string>& lowers, const std::string& mount_point);

}  // namespace servin::runtime
