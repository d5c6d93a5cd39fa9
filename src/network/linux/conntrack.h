// SPDX-License-Identifier: Apache-2.0
// Connections that the kernel remembers. UDP has no end: a client that keeps sending would go on reaching the container
// that had the port before, or nobody, for as long as it sends.
#pragma once

#include <vector>

#include "network/network.h"

namespace servin::network {

/// UDP connections to these host ports. Never throws.
void forget_connections(const std::vector<PortMapping>& ports);

}  // namespace servin::network
