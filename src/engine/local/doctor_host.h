// SPDX-License-Identifier: Apache-2.0
// doctor's look at the host: each check says what is wrong and the command that cures it.
#pragma once

#include <vector>

#include "base/paths.h"
#include "engine/types.h"

namespace servin::engine {

std::vector<DoctorCheck> check_host(const Paths& paths);

}  // namespace servin::engine
