// SPDX-License-Identifier: Apache-2.0
// Volumes that are file systems of their own: mounted at their folder when the first container that uses them starts,
// taken off after the last. RUN/volumes/NAME.mounted says that it may be mounted, from before the mount until after the
// unmount, so that whatever was killed in between is found by the next sweep; NAME.lock is held over each change, and
// by a start until its container has a supervisor.
#include <cerrno>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/volume_options.h"

namespace servin::engine {
namespace {

constexpr std::string_view mark = ".mounted";

bool is_mounted(const std::string& dir) {
  struct stat here{}, above{};
  std::string parent = dir.substr(0, dir.rfind('/'));
  if (::lstat(dir.c_str(), &here) != 0 || ::lstat(parent.c_str(), &above) != 0) return false;
  return here.st_dev != above.st_dev;
}

void mount_there(const std::string& name, const VolumeSource& source, const std::string& dir) {
  if (::mount(source.device.c_str(), dir.c_str(), source.type.c_str(), source.flags, source.data.c_str()) == 0) return;
  int err = errno;
  std::string what = fmt::format("volume {}: mount {} from {}", name, printable(source.type), quoted(source.device));
  if (err == ENODEV)
    throw error(ErrorCode::unsupported, "{}: this kernel has no file system {}", what, quoted(source.type))
        .with_errno(err)
        .with_id("E-VOLUME-MOUNT")
        .with_hint("modprobe " + printable(source.type) + ", or use another kind of volume");
  throw errno_error(err, what)
      .with_id("E-VOLUME-MOUNT")
      .with_hint(err == EINVAL ? "the kernel does not like its options: " + quoted(source.data)
                               : "look at device and options: servin volume inspect " + name);
}

}  // namespace

LocalEngine::VolumeFolder LocalEngine::volume_folder(const std::string& name) {
  auto row = db_.volume(name);
  if (!row) return {volume_dir(name), false};
  VolumeSource source = plan_volume(parse_map(row->options_json));
  if (source.kind != VolumeSource::Kind::bind)
    return {volume_dir(name), !row->used && source.kind == VolumeSource::Kind::folder};
  struct stat st{};
  if (::stat(source.device.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
    throw error(ErrorCode::not_found, "volume {}: {} is no folder of this host", name, quoted(source.device))
        .with_id("E-MOUNT-SOURCE-MISSING")
        .with_hint("make it first: mkdir -p " + source.device);
  return {source.device, false};
}

std::vector<FileLock> LocalEngine::mount_volumes(const ContainerConfig& config) {
  std::vector<FileLock> held;
  for (const auto& mount : config.request.mounts) {
    if (mount.type != MountSpec::Type::volume) continue;
    auto row = db_.volume(mount.source);
    if (!row || row->options_json.size() <= 2) continue;
    VolumeSource source = plan_volume(parse_map(row->options_json));
    if (source.kind != VolumeSource::Kind::mount) continue;
    std::string dir = volume_dir(row->name), run = paths_.run + "/volumes";
    make_dirs(run);
    held.push_back(FileLock::acquire(run + "/" + row->name + ".lock", "volume " + row->name, 60'000'000'000));
    if (is_mounted(dir)) continue;
    write_file(run + "/" + row->name + std::string(mark), "");
    mount_there(row->name, source, dir);
  }
  return held;
}

bool LocalEngine::is_volume_running(const std::string& name) {
  for (const auto& row : db_.containers()) {
    if (row.config_json.find(name) == std::string::npos) continue;
    auto status = shim::read_status(run_dir(row.id));
    bool up = status && (status->phase == shim::Phase::starting || status->phase == shim::Phase::running) &&
              is_alive(status->shim);
    if (!up) continue;
    for (const auto& mount : load_container(row).config.request.mounts)
      if (mount.type == MountSpec::Type::volume && mount.source == name) return true;
  }
  return false;
}

bool LocalEngine::release_volume(const std::string& name, bool wait) {
  std::string run = paths_.run + "/volumes/" + name;
  if (!path_exists(run + std::string(mark))) return true;
  std::optional<FileLock> held =
      wait ? FileLock::acquire(run + ".lock", "volume " + name, 10'000'000'000) : FileLock::try_acquire(run + ".lock");
  if (!held || is_volume_running(name)) return false;
  std::string dir = volume_dir(name);
  while (is_mounted(dir)) {
    if (::umount2(dir.c_str(), 0) == 0) continue;
    log::debug("volume {}: {} is still in use: {}", name, dir, errno);
    return false;
  }
  ::unlink((run + std::string(mark)).c_str());
  return true;
}

void LocalEngine::release_volumes() {
  for (const auto& file : list_dir(paths_.run + "/volumes")) {
    if (!file.ends_with(mark)) continue;
    try {
      release_volume(file.substr(0, file.size() - mark.size()), false);
    } catch (const Error& e) {
      log::debug("volume {}: {}", file, e.what());
    }
  }
}

}  // namespace servin::engine
