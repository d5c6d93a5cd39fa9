// SPDX-License-Identifier: Apache-2.0
// The one change of a container's record after it was made.
#pragma once

#include <string>

#include "base/paths.h"

namespace servin::state {

/// In servin.db too (synced) when the container is there.
void set_container_config(const Paths& paths, const std::string& id, const std::string& config_json);

}  // namespace servin::state
