// SPDX-License-Identifier: Apache-2.0
// transfer/: the inside of servin-transfer, the only program that talks to registries and the only one with libcurl.
// The engine starts it for a pull, push, login or search, and speaks JSON lines with it over one socket
// (transfer/client/protocol.h). It owns nothing: it is an unprivileged user without capabilities, behind seccomp and
// Landlock, gets descriptors and never a path, and nothing that it says is believed before the engine has compared
// digests and sizes. Requests run on a few threads at once, each with plain blocking code.
#pragma once

#include "os/fd.h"

namespace servin::transfer {

/// Serves until the other side of the socket is closed. Returns the exit code.
int serve(Fd control);

}  // namespace servin::transfer
