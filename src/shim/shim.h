// SPDX-License-Identifier: Apache-2.0
// servin-shim: one small process per running container. It has one thread, survives the command that started it, holds
// the container's stdio, writes its log and records its exit. Everything heavy it leaves to hidden verbs of servin. Its
// private memory is a budget (100 KiB): static buffers that are given back when idle, no JSON, no database.
#pragma once

#include "shim/launcher.h"

namespace servin::shim {

/// Serves the request that waits on `spawner`; returns the program's exit code. `ports`: sockets of published ports.
int serve(Fd spawner, std::vector<Fd> ports, Launcher& namespaces, Launcher& host);

}  // namespace servin::shim
