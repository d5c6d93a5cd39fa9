// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "engine/local/spec_parts.h"
#include "linux/mount_table.h"
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
  // "read-only" of a tree means all of it: a writable mount below would be a surprise.
  const char* read_only = mount.recursive && !mount.writable_below ? "rro" : "ro";
  m.options = {mount.recursive ? "rbind" : "bind", mount.read_only ? read_only : "rw",
               mount.propagation.empty() ? "rprivate" : mount.propagation};
  m.options.insert(m.options.end(), mount.attributes.begin(), mount.attributes.end());
  m.subpath = mount.subpath;
  m.owner_to_user = mount.idmap;
  return m;
}

// The image's layers as they lie in the store, put together read-only; one alone needs no overlay.
oci::SpecMount image_mount(const std::string& snapshots, const MountSpec& mount) {
  if (mount.layers.size() == 1) return bind_mount(snapshots + "/" + mount.layers[0] + "/fs", mount);
  oci::SpecMount m;
  m.destination = mount.target;
  m.type = "overlay";
  m.source = mount.source;
  m.options = {"ro"};
  m.subpath = mount.subpath;
  for (auto layer = mount.layers.rbegin(); layer != mount.layers.rend(); ++layer)
    m.lowers.push_back(snapshots + "/" + *layer + "/fs");
  return m;
}

// The mount that holds the path: the longest mount point, and of equal ones the last.
kernel::MountEntry mount_of(const std::string& path) {
  kernel::MountEntry best;
  for (auto& entry : kernel::mount_table()) {
    bool holds = entry.point == "/" || path == entry.point || path.starts_with(entry.point + "/");
    if (holds && entry.point.size() >= best.point.size()) best = std::move(entry);
  }
  return best;
}

// A mount that the host keeps to itself cannot pass on what is mounted in it later.
void check_propagation(const MountSpec& mount) {
  bool shared = mount.propagation.ends_with("shared");
  if (!shared && !mount.propagation.ends_with("slave")) return;
  kernel::MountEntry holder = mount_of(mount.source);
  if (holder.is_shared || (!shared && holder.is_slave)) return;
  throw error(ErrorCode::failed_precondition,
              "mount source {}: it lies on a mount that is not shared, so {} is impossible", mount.source,
              mount.propagation)
      .with_id("E-MOUNT-PROPAGATION")
      .with_hint("make it one first: mount --bind " + mount.source + " " + mount.source + " && mount --make-shared " +
                 mount.source);
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
  defaults.no_shm = r.ipc_mode == "none";
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
        check_propagation(mount);
        own.push_back(bind_mount(mount.source, mount));
        break;
      case MountSpec::Type::volume: {
        VolumeFolder volume = volume_folder(mount.source);
        own.push_back(bind_mount(volume.dir, mount));
        if (!mount.no_copy && volume.fresh && mount.subpath.empty()) copy_up.push_back({volume.dir, mount.target});
        break;
      }
      case MountSpec::Type::tmpfs:
        own.push_back(tmpfs_mount(mount));
        break;
      case MountSpec::Type::image:
        own.push_back(image_mount(snapshots_dir, mount));
        break;
    }
  }
  runtime::sort_mounts(own);
  mounts.insert(mounts.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
}

}  // namespace servin::engine
