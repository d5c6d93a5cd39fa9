// SPDX-License-Identifier: Apache-2.0
// A container's files, held open.
#pragma once

#include <optional>
#include <vector>

#include "os/file.h"
#include "runtime/linux/view.h"
#include "state/database.h"

namespace servin::engine {

struct ContainerTree {
  state::ContainerRow row;
  /// Of a container that does not run: it does not start meanwhile.
  std::optional<FileLock> lock;
  std::vector<FileLock> volumes;  // that are mounted for this
  runtime::View view;             // last: it goes first
  bool writable = false;
  const Fd& root() const { return view.root; }
};

}  // namespace servin::engine
