// SPDX-License-Identifier: Apache-2.0
// A container's files, held open.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "os/file.h"
#include "runtime/linux/view.h"
#include "state/database.h"

namespace servin::engine {

struct ContainerTree {
  ContainerTree() = default;
  ContainerTree(const ContainerTree&) = delete;
  ContainerTree& operator=(const ContainerTree&) = delete;
  ~ContainerTree() {
    view = {};
    volumes.clear();
    if (release) release();
  }
  state::ContainerRow row;
  /// Of a container that does not run: it does not start meanwhile.
  std::optional<FileLock> lock;
  std::vector<FileLock> volumes;  // that are mounted for this
  std::function<void()> release;  // takes off what was mounted for this; never throws
  runtime::View view;
  bool writable = false;
  bool was_up = false;  // when it was opened
  const Fd& root() const { return view.root; }
};

}  // namespace servin::engine
