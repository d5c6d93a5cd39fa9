// SPDX-License-Identifier: Apache-2.0
// What verbs demand of a container's state, in the same words everywhere.
#pragma once

#include <string>

#include "base/error.h"
#include "engine/types.h"

namespace servin::engine {

/// `verb`: what starts it, for the hint ("start", "start --attach").
Error not_running(const std::string& container, const std::string& verb = "start");
Error is_paused(const std::string& container);
/// Running and not paused, else one of the two.
void require_running(const std::string& container, Status status, const std::string& verb = "start");

}  // namespace servin::engine
