// SPDX-License-Identifier: Apache-2.0
// Work in another network namespace, in this process, which has one thread.
#pragma once

#include <functional>
#include <string>

#include "os/fd.h"

namespace servin::kernel {

/// A new one, in which nothing runs yet; it lives as long as somebody has it open or runs in it. Loopback is up.
Fd make_net_namespace();
/// Of a process: /proc/PID/ns/net.
Fd open_net_namespace(const std::string& path);
/// Runs `work` in it. Sockets that it opens stay there. Comes back in any case; a process that cannot come back ends.
void in_net_namespace(const Fd& space, const std::function<void()>& work);

/// /proc/sys/net/NAME of the namespace of this moment; false when the kernel has no such setting.
bool write_net_sysctl(const std::string& name, std::string_view value);
std::string read_net_sysctl(const std::string& name);

}  // namespace servin::kernel
