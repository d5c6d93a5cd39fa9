// SPDX-License-Identifier: Apache-2.0
#include "engine/local/local.h"

namespace servin::engine {

LocalEngine::LocalEngine(Paths paths)
    : paths_(std::move(paths)), db_(paths_), snapshotter_(paths_), images_(paths_, db_, snapshotter_) {}

LocalEngine::~LocalEngine() = default;

}  // namespace servin::engine
