// SPDX-License-Identifier: Apache-2.0
// Published ports are ours before anybody is told so: a socket holds each of them.
#pragma once

#include <vector>

#include "network/linux/stack.h"
#include "network/plan.h"

namespace servin::network {

/// Host ports that were 0 are chosen. All or none. Throws E-PORT-BUSY, E-HOST-ADDRESS, E-PROTOCOL.
Attached hold_ports(const std::vector<PortMapping>& ports, const Endpoint& leader);

}  // namespace servin::network
