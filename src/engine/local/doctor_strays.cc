// SPDX-License-Identifier: Apache-2.0
#include "engine/local/doctor_strays.h"

#include <map>

#include <sys/mount.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "linux/cgroup_layout.h"
#include "linux/mount_table.h"
#include "os/file.h"
#include "runtime/linux/cgroup.h"

namespace servin::engine {
namespace {

bool is_below(const std::string& path, const std::string& folder) { return path.starts_with(folder + "/"); }

/// ROOT/volumes/NAME/... -> NAME
std::string volume_of(const Paths& paths, const std::string& point) {
  if (!is_below(point, paths.volumes())) return "";
  std::string rest = point.substr(paths.volumes().size() + 1);
  return rest.substr(0, rest.find('/'));
}

void unmount(const std::string& point) {
  if (::umount2(point.c_str(), UMOUNT_NOFOLLOW) != 0) throw_errno("unmount {}", point);
}

}  // namespace

std::vector<Stray> stray_cgroups(const Paths& paths, const std::function<bool(const std::string&)>& is_known) {
  std::string parent = "/servin-" + paths.tag;
  std::map<std::string, std::vector<runtime::CgroupPlan>> groups;
  for (const auto& h : kernel::cgroup_hierarchies())
    for (const auto& id : list_dir(h.mount + parent))
      if (is_full_id(id)) groups[id].push_back({h.v2, h.mount, parent + "/" + id, h.controllers, {}, ""});
  std::vector<Stray> strays;
  for (const auto& [id, plans] : groups) {
    // One that has just ended may have gone since.
    if (is_known(id) || !path_exists(plans.front().dir())) continue;
    strays.push_back(
        {plans.front().dir(), "rmdir " + plans.front().dir(), [plans] { runtime::remove_cgroups(plans); }});
  }
  return strays;
}

std::vector<Stray> stray_mounts(const Paths& paths, const std::function<bool(const std::string&)>& is_volume) {
  std::vector<Stray> strays;
  auto table = kernel::mount_table();
  // What was mounted last goes first.
  for (auto entry = table.rbegin(); entry != table.rend(); ++entry) {
    const std::string& point = entry->point;
    if (!is_below(point, paths.root) && !is_below(point, paths.run)) continue;
    // Disks of their own for these folders are the administrator's choice; so is RUN, which may lie in ROOT.
    bool whole_folder = point == paths.run || point == paths.snapshots() || point == paths.volumes() ||
                        point == paths.blobs() || point == paths.root + "/containers" || point == paths.tmp();
    std::string volume = volume_of(paths, point);
    if (whole_folder || (!volume.empty() && is_volume(volume))) continue;
    strays.push_back({point, "umount " + point, [point] { unmount(point); }});
  }
  return strays;
}

DoctorCheck judge_strays(const std::string& name, const std::vector<Stray>& strays, bool repair) {
  using Result = DoctorCheck::Result;
  if (strays.empty()) return {name, Result::ok, "none", ""};
  std::vector<std::string> left;
  std::string cure = "servin system doctor --repair";
  for (const auto& stray : strays) {
    if (!repair) {
      left.push_back(stray.what);
      continue;
    }
    try {
      stray.repair();
    } catch (const Error& e) {
      left.push_back(stray.what + " (" + e.message() + ")");
      cure = stray.cure;
    }
  }
  if (left.empty()) return {name, Result::ok, fmt::format("{} removed", strays.size()), ""};
  constexpr std::size_t shown = 5;
  std::string rest = left.size() > shown ? fmt::format(" and {} more", left.size() - shown) : "";
  left.resize(std::min(left.size(), shown));
  return {name, Result::warning, join(left, ", ") + rest, cure};
}

}  // namespace servin::engine
