// SPDX-License-Identifier: Apache-2.0
// The engine's side of the resolver process (netd.h).
#pragma once

#include <optional>
#include <string>

#include "os/process.h"

namespace servin::network {

/// There is a resolver for RUN/networks/ID (`dir`, whose names has at least one container) that listens, when this
/// returns: the running one, or a new one. A few reads when it is there. Throws Error; it names who holds the port when
/// that is taken.
void ensure_netd(const std::string& dir);
/// The one that runs.
std::optional<ProcessId> running_netd(const std::string& dir);

}  // namespace servin::network
