// SPDX-License-Identifier: Apache-2.0
// The hidden verbs of the command line, started by the shim and by commands that leave work behind:
//   servin [--root R] __cleanup ID   after a container has ended: control groups go, the end is recorded; --rm: it goes
//   servin [--root R] __cleanup      empties the trash, removes unfinished work of processes that are gone
//   servin [--root R] __persist ID   right after a start: the container's record is made durable
//   servin [--root R] __restart ID   after the back-off of a container with a restart policy: starts it again
//   servin [--root R] __health ID    one health check; its exit code says how the container is
#pragma once

#include <string>

#include "base/paths.h"

namespace servin::engine {

/// `id` may be empty.
void hidden_cleanup(const Paths& paths, const std::string& id);
void hidden_persist(const Paths& paths, const std::string& id);
void hidden_restart(const Paths& paths, const std::string& id);
int hidden_health(const Paths& paths, const std::string& id);

}  // namespace servin::engine
