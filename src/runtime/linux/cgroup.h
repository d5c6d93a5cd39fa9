// SPDX-License-Identifier: Apache-2.0
// A container's cgroup folders: making, joining, freezing, reading, killing, removing. One interface for v1, v2 and
// hybrid hosts. Nothing outside of the folders that the plan names is changed; parents that are empty afterwards and
// that we made go too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/fd.h"
#include "runtime/linux/plan.h"

namespace servin::runtime {

/// Open files of the folders through which a process joins without a grace period of the kernel: v1 `tasks` for "0"
/// written by the process itself, the v2 folder for CLONE_INTO_CGROUP.
struct CgroupDoors {
  std::vector<Fd> tasks;
  Fd v2;  // closed when there is none
};

/// Makes the folders and writes the limits. What exists already from a launch that was killed is used again.
void make_cgroups(const std::vector<CgroupPlan>& plans);
CgroupDoors open_cgroups(const std::vector<CgroupPlan>& plans);

/// Other values for folders that are there, in whatever order the kernel takes them.
void change_limits(const CgroupPlan& plan);
/// All that is in the folders of `from` into those of `to` too.
void move_processes(const std::vector<CgroupPlan>& from, const std::vector<CgroupPlan>& to);

std::vector<pid_t> cgroup_processes(const std::vector<CgroupPlan>& plans);
/// SIGKILLs until nothing is left (a frozen container is thawed on the way), then removes the folders. Safe to repeat.
/// Throws timeout when processes will not die (uninterruptible sleep).
void remove_cgroups(const std::vector<CgroupPlan>& plans);
void signal_cgroups(const std::vector<CgroupPlan>& plans, int signal);

void freeze_cgroups(const std::vector<CgroupPlan>& plans, bool freeze);
bool cgroups_frozen(const std::vector<CgroupPlan>& plans);

/// The plan of the hierarchy that carries a v1 controller, or the v2 one; null when there is none.
const CgroupPlan* find_cgroup(const std::vector<CgroupPlan>& plans, std::string_view v1_controller);

}  // namespace servin::runtime
