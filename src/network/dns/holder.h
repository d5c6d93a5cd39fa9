// SPDX-License-Identifier: Apache-2.0
// Who listens on a port of this network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace servin::dns {

struct PortHolder {
  pid_t pid = 0;
  std::string name;
  std::string container;  // the short id, when it is a container's supervisor
};
/// By /proc: the first process with a UDP or listening TCP socket on this port. Nothing when there is none that may be
/// looked at. Slow (reads all processes): for error messages.
std::optional<PortHolder> find_port_holder(std::uint16_t port);

}  // namespace servin::dns
