// SPDX-License-Identifier: Apache-2.0
// A container on its way: everything made so far goes again unless commit() came.
#pragma once

#include "base/rollback.h"
#include "engine/local/local.h"

namespace servin::engine {

struct LocalEngine::Making {
  ContainerConfig config;
  rootfs::RootMount root;
  std::unique_ptr<Rollback> undo = std::make_unique<Rollback>();
};

}  // namespace servin::engine
