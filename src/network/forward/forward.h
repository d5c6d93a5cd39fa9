// SPDX-License-Identifier: Apache-2.0
// servin-netd forward TARGET...: carries what arrives at the sockets that hold a container's published ports although
// the kernel forwards them, that is what comes to ::1, what comes by IPv6 to a container without it, and what comes
// while somebody has flushed the firewall. The shim of the container starts it when that happens, and dies with it.
//
// Socket i is descriptor first_socket + i, TARGET i is "tcp ADDRESS PORT" or "udp ADDRESS PORT".
#pragma once

#include <string>
#include <vector>

#include "os/fd.h"

namespace servin::network {

constexpr int first_socket = 3;

struct Forward {
  Fd socket;
  std::string target;
};

/// Ends by itself after some seconds without a connection; returns the exit code.
int run_forward(std::vector<Forward> forwards);

}  // namespace servin::network
