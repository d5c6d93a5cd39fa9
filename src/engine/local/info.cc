// SPDX-License-Identifier: Apache-2.0
// info and df.
#include <set>
#include <unistd.h>

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "linux/cgroup_layout.h"

namespace servin::engine {
namespace {

// PRETTY_NAME of /etc/os-release.
std::string os_name() {
  for (const auto& line : split(read_file("/etc/os-release").value_or(""), '\n')) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    std::string value = line.substr(12);
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    return printable(value);
  }
  return "Linux";
}

}  // namespace

EngineInfo LocalEngine::info() {
  EngineInfo info;
  info.version = SERVIN_VERSION;
  info.root = paths_.root;
  info.run = paths_.run;
  utsname name{};
  ::uname(&name);
  info.kernel = name.release;
  info.architecture = name.machine;
  info.os = os_name();
  info.cgroup_layout = kernel::layout_name(kernel::cgroup_hierarchies());
  info.cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  struct sysinfo memory{};
  if (::sysinfo(&memory) == 0) info.memory = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
  ContainerFilter all;
  all.all = true;
  for (const auto& container : list(all)) {
    ++info.containers;
    switch (container.state.status) {
      case Status::running:
        ++info.running;
        break;
      case Status::paused:
        ++info.paused;
        break;
      default:
        ++info.stopped;
    }
  }
  info.images = static_cast<std::int64_t>(db_.images().size());
  if (path_exists("/proc/sys/kernel/seccomp")) info.security.emplace_back("seccomp");
  for (const auto& check : doctor(false, false))
    if (check.result != DoctorCheck::Result::ok) info.warnings.push_back(check.name + ": " + check.detail);
  return info;
}

DiskUsage LocalEngine::disk_usage() {
  DiskUsage usage;
  DiskUsage::Row images{"Images", 0, 0, 0, 0};
  // A layer that several images share is there once.
  std::set<oci::Digest> counted;
  std::set<oci::Digest> needed;
  auto all_images = images_.list();
  for (const auto& image : all_images) {
    ++images.total;
    if (db_.containers_of_image(image.id).empty()) continue;
    ++images.active;
    needed.insert(image.chain.begin(), image.chain.end());
  }
  for (const auto& image : all_images) {
    for (const auto& chain : image.chain) {
      if (!counted.insert(chain).second || !snapshotter_.has(chain)) continue;
      std::uint64_t bytes = snapshotter_.size(chain);
      images.size += bytes;
      if (needed.count(chain) == 0) images.reclaimable += bytes;
    }
  }
  DiskUsage::Row containers{"Containers", 0, 0, 0, 0};
  ContainerFilter all;
  all.all = true;
  for (const auto& container : list(all)) {
    bool up = container.state.status == Status::running || container.state.status == Status::paused;
    std::uint64_t bytes = tree_size(paths_.container(container.config.id));
    ++containers.total;
    containers.active += up ? 1 : 0;
    containers.size += bytes;
    if (!up) containers.reclaimable += bytes;
  }
  DiskUsage::Row volumes{"Local Volumes", 0, 0, 0, 0};
  for (const auto& row : db_.volumes()) {
    bool used = !users_of_volume(row.name).empty();
    std::uint64_t bytes = tree_size(volume_dir(row.name));
    ++volumes.total;
    volumes.active += used ? 1 : 0;
    volumes.size += bytes;
    if (!used) volumes.reclaimable += bytes;
  }
  usage.rows = {images, containers, volumes};
  return usage;
}

}  // namespace servin::engine
