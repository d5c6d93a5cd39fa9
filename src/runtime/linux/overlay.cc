// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/overlay.h"

#include <fcntl.h>
#include <vector>

#include <sys/mount.h>

#include "base/error.h"
#include "linux/mounts.h"

namespace servin::runtime {
namespace {

bool old_form_wanted = false;

// fsconfig takes strings of at most 255 bytes; a longer path is named by a descriptor.
class ShortPaths {
 public:
  std::string of(const std::string& path) {
    if (path.size() < 256) return path;
    kept_.push_back(open_file(path, O_PATH | O_DIRECTORY));
    return "/proc/self/fd/" + std::to_string(kept_.back().get());
  }

 private:
  std::vector<Fd> kept_;
};

// Before Linux 6.7 all layers are one string, of one page at most.
void mount_old_form(const LaunchPlan& plan) {
  std::vector<Fd> kept;
  std::string options = "lowerdir=";
  std::size_t plain = 0;
  for (const auto& lower : plan.lowers) plain += escape_layer(lower).size() + 1;
  bool by_descriptor = plain + plan.upper.size() + plan.work.size() > 3800;
  for (std::size_t i = 0; i < plan.lowers.size(); ++i) {
    std::string name = escape_layer(plan.lowers[i]);
    if (by_descriptor) {
      kept.push_back(open_file(plan.lowers[i], O_PATH | O_DIRECTORY));
      name = "/proc/self/fd/" + std::to_string(kept.back().get());
    }
    options += (i == 0 ? "" : ":") + name;
  }
  if (!plan.upper.empty()) options += ",upperdir=" + escape_layer(plan.upper) + ",workdir=" + escape_layer(plan.work);
  if (plan.volatile_) options += ",volatile";
  if (::mount("overlay", plan.mount_point.c_str(), "overlay", 0, options.c_str()) != 0)
    throw_errno("mount the root file system with {} layers", plan.lowers.size());
}

}  // namespace

void detail::use_old_overlay_form(bool use) { old_form_wanted = use; }

std::string escape_layer(const std::string& path) {
  std::string out;
  for (char c : path) {
    if (c == ':' || c == '\\' || c == ',') out += '\\';
    out += c;
  }
  return out;
}

Fd mount_overlay(const LaunchPlan& plan) {
  kernel::FsContext fs("overlay");
  ShortPaths paths;
  for (const auto& lower : plan.lowers) {
    if (!old_form_wanted && fs.try_set("lowerdir+", paths.of(lower))) continue;
    mount_old_form(plan);
    return Fd();
  }
  if (!plan.upper.empty()) {
    fs.set("upperdir", paths.of(plan.upper));
    fs.set("workdir", paths.of(plan.work));
  }
  if (plan.volatile_) fs.set_flag("volatile");
  return fs.mount(0);
}

}  // namespace servin::runtime
