// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "engine/local/spec_parts.h"
#include "os/file.h"
#include "runtime/defaults.h"

namespace servin::engine {
namespace {

bool is_taken(const ContainerConfig& config, std::string_view target) {
  const auto& mounts = config.request.mounts;
  return std::any_of(mounts.begin(), mounts.end(), [&](const MountSpec& m) { return m.target == target; });
}

void check_bind_source(const MountSpec& mount) {
  struct stat st{};
  if (::stat(mount.source.c_str(), &st) == 0) return;
  if (errno != ENOENT && errno != ENOTDIR) throw_errno("mount source {}", mount.source);
  if (errno == ENOENT && mount.create_source) return make_dirs(mount.source, 0755);
  throw error(ErrorCode::not_found, "mount source {} does not exist", mount.source)
      .with_id("E-MOUNT-SOURCE-MISSING")
      .with_hint("make it first: mkdir -p " + mount.source);
}

// Without SELinux there are no labels to set; with it we cannot.
void check_relabel(const MountSpec& mount) {
  if (!mount.relabel || !path_exists("/sys/fs/selinux/enforce")) return;
  throw error(ErrorCode::unsupported, "mount {}: labels of SELinux (:z, :Z) are not built", mount.target)
      .with_id("E-NOT-BUILT")
      .with_hint("leave z out, and set the label yourself: chcon -Rt container_file_t " + mount.source);
}

oci::SpecMount bind_mount(const std::string& source, const MountSpec& mount) {
  oci::SpecMount m;
  m.destination = mount.target;
  m.type = "bind";
  m.source = source;
  m.options = {mount.recursive ? "rbind" : "bind", mount.read_only ? "ro" : "rw",
               mount.propagation.empty() ? "rprivate" : mount.propagation};
  return m;
}

oci::SpecMount tmpfs_mount(const MountSpec& mount) {
  oci::SpecMount m;
  m.destination = mount.target;
  m.type = "tmpfs";
  m.source = "tmpfs";
  // Docker's: no set-uid programs, devices or programs unless asked for.
  m.options = {"nosuid", "nodev", "noexec"};
  if (mount.read_only) m.options.emplace_back("ro");
  if (mount.tmpfs_size != 0) m.options.push_back(fmt::format("size={}", mount.tmpfs_size));
  m.options.push_back(fmt::format("mode={:o}", mount.tmpfs_mode == 0 ? 01777U : mount.tmpfs_mode));
  for (const auto& option : mount.tmpfs_options) {
    std::erase_if(m.options, [&](const std::string& known) { return known == "no" + option; });
    m.options.push_back(option);
  }
  if (!mount.propagation.empty()) m.options.push_back(mount.propagation);
  return m;
}

Error image_mounts_unsupported(const MountSpec& mount) {
  return error(ErrorCode::unsupported, "mounting image {} at {} is not built", quoted(mount.source), mount.target)
      .with_id("E-NOT-BUILT")
      .with_hint("use a volume: --mount type=volume,target=" + mount.target);
}

}  // namespace

std::map<std::string, std::string> namespace_paths(
    const CreateRequest& r, const std::function<ProcessId(const std::string&, std::string_view)>& joined) {
  std::map<std::string, std::string> paths = {{"mount", ""}};
  auto add = [&](const std::string& type, const std::string& file, const std::string& mode, std::string_view option) {
    if (mode == "host") return;
    if (!mode.starts_with("container:")) {
      paths[type] = "";
      return;
    }
    paths[type] = fmt::format("/proc/{}/ns/{}", joined(mode, option).pid, file);
  };
  add("pid", "pid", r.pid_mode, "--pid");
  add("network", "net", r.network, "--network");
  add("ipc", "ipc", r.ipc_mode, "--ipc");
  add("uts", "uts", r.uts_mode, "--uts");
  add("cgroup", "cgroup", r.cgroupns_mode, "--cgroupns");
  return paths;
}

void MountPlanner::plan(std::vector<oci::SpecMount>& mounts, std::vector<runtime::CopyUp>& copy_up) const {
  const CreateRequest& r = config.request;
  runtime::MountDefaults defaults;
  defaults.shm_size = r.shm_size;
  defaults.privileged = r.privileged;
  defaults.host_ipc = r.ipc_mode == "host";
  defaults.join_shm = join_shm;
  mounts = runtime::default_mounts(defaults);
  std::erase_if(mounts, [&](const oci::SpecMount& m) { return is_taken(config, m.destination); });
  std::vector<oci::SpecMount> own;
  for (const char* file : {"hosts", "hostname", "resolv.conf"}) {
    std::string target = std::string("/etc/") + file;
    if (is_taken(config, target)) continue;
    MountSpec mount;
    mount.target = target;
    own.push_back(bind_mount(files_dir + "/" + file, mount));
  }
  for (const auto& mount : r.mounts) {
    check_relabel(mount);
    switch (mount.type) {
      case MountSpec::Type::bind:
        check_bind_source(mount);
        own.push_back(bind_mount(mount.source, mount));
        break;
      case MountSpec::Type::volume: {
        std::string dir = volumes_dir + "/" + mount.source + "/_data";
        own.push_back(bind_mount(dir, mount));
        if (!mount.no_copy && is_fresh(mount.source)) copy_up.push_back({dir, mount.target});
        break;
      }
      case MountSpec::Type::tmpfs:
        own.push_back(tmpfs_mount(mount));
        break;
      case MountSpec::Type::image:
        throw image_mounts_unsupported(mount);
    }
  }
  runtime::sort_mounts(own);
  mounts.insert(mounts.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
}

}  // namespace servin::engine
