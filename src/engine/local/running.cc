// SPDX-License-Identifier: Apache-2.0
#include "engine/local/running.h"

namespace servin::engine {

Error not_running(const std::string& container, const std::string& verb) {
  return error(ErrorCode::conflict, "container {} is not running", container)
      .with_id("E-NOT-RUNNING")
      .with_hint("servin " + verb + " " + container);
}

Error is_paused(const std::string& container) {
  return error(ErrorCode::conflict, "container {} is paused", container)
      .with_id("E-PAUSED")
      .with_hint("servin unpause " + container);
}

Error is_restarting(const std::string& container) {
  return error(ErrorCode::conflict, "container {} has ended and is about to be started again", container)
      .with_id("E-RESTARTING")
      .with_hint("servin wait --condition running " + container + ", or see why it ends: servin logs " + container);
}

void require_running(const std::string& container, Status status, const std::string& verb) {
  if (status == Status::paused) throw is_paused(container);
  if (status == Status::restarting) throw is_restarting(container);
  if (status != Status::running) throw not_running(container, verb);
}

}  // namespace servin::engine
