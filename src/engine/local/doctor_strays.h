// SPDX-License-Identifier: Apache-2.0
// doctor's look for what is left in the kernel and in the trash although nobody owns it any more.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/paths.h"
#include "engine/types.h"

namespace servin::engine {

struct Stray {
  std::string what;  // as a person would look for it: a path, the name of a link
  std::string cure;  // the command, should repair() fail or not be wanted
  std::function<void()> repair;
};

/// Control groups below the engine's own of containers that `is_known` knows nothing of.
std::vector<Stray> stray_cgroups(const Paths& paths, const std::function<bool(const std::string& id)>& is_known);
/// Mounts below ROOT and RUN. What is mounted in a volume that there is may be the administrator's own disk.
std::vector<Stray> stray_mounts(const Paths& paths, const std::function<bool(const std::string& name)>& is_volume);

/// One line of the answer: none, or which there are and what cures them. `repair`: they go first.
DoctorCheck judge_strays(const std::string& name, const std::vector<Stray>& strays, bool repair);

}  // namespace servin::engine
