// SPDX-License-Identifier: Apache-2.0
// A further process in a running container. Called by a single-threaded process, which becomes its parent.
#pragma once

#include <string_view>

#include "runtime/linux/launch.h"
#include "runtime/runtime.h"

namespace servin::runtime {

struct ExecOptions {
  bool open_stdin = false;  // else stdin is /dev/null
  std::uint16_t rows = 0, columns = 0;
};

/// `container`: its first process. Identity, capabilities, seccomp and cgroups are the container's (privileged: all
/// capabilities of this host, no filter). Errors as launch().
Launched exec(std::string_view plan_bytes, const ProcessId& container, const ExecSpec& spec,
              const ExecOptions& options);

}  // namespace servin::runtime
