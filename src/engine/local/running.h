// SPDX-License-Identifier: Apache-2.0
// What verbs demand of a container's state, in the same words everywhere.
#pragma once

#include <string>

#include "base/error.h"
#include "engine/types.h"

namespace servin::engine {

/// Its processes are there, frozen or not.
inline bool is_up(Status status) { return status == Status::running || status == Status::paused; }

/// `verb`: what starts it, for the hint ("start", "start --attach").
Error not_running(const std::string& container, const std::string& verb = "start");
Error is_paused(const std::string& container);
Error is_restarting(const std::string& container);
/// Running, else one of the three.
void require_running(const std::string& container, Status status, const std::string& verb = "start");

}  // namespace servin::engine
