// SPDX-License-Identifier: Apache-2.0
// runtime/host: containers without isolation (dev mode). The program sees the host's processes, network, users and
// devices; it gets the image's files, environment and command.
//
// As root its root folder is the image: an overlay in a mount namespace of its own (for the files' sake, nothing is
// kept from it), with the host's /dev, /proc and /sys. Without root there are no mounts: the image's layers are copied
// into one plain folder, the working folder lies there, PATH finds the image's programs first, and a dynamic program is
// started through the image's own loader. Absolute paths that a program opens are then the host's.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/runtime.h"

namespace servin::runtime {

struct HostLaunchOptions {
  bool terminal = false;
  bool open_stdin = false;
  std::uint16_t rows = 0, columns = 0;
};

/// As runtime::launch (runtime/linux/launch.h): returns once the program is executed, the caller has one thread and is
/// its parent; it dies with the caller. Error codes: runtime.h.
Launched launch_on_host(std::string_view plan_bytes, const HostLaunchOptions& options);

/// A further process of a running container, `container` being its first process.
Launched exec_on_host(std::string_view plan_bytes, const ProcessId& container, const ExecSpec& spec,
                      const HostLaunchOptions& options);

}  // namespace servin::runtime
