// SPDX-License-Identifier: Apache-2.0
#include "engine/types.h"

#include <string_view>

namespace servin::engine {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::created:
      return "created";
    case Status::running:
      return "running";
    case Status::paused:
      return "paused";
    case Status::exited:
      return "exited";
    case Status::removing:
      return "removing";
    case Status::dead:
      return "dead";
    case Status::restarting:
      return "restarting";
  }
  return "unknown";
}

}  // namespace servin::engine
