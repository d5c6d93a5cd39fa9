// SPDX-License-Identifier: Apache-2.0
// info and df.
#include <map>
#include <set>
#include <unistd.h>

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "linux/cgroup_layout.h"
#include "state/schema.h"

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
      case Status::restarting:
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

std::vector<Migration> LocalEngine::migrate() {
  std::vector<Migration> done;
  for (const auto& [path, durable] : {std::pair(paths_.db(), true), std::pair(paths_.run_db(), false)}) {
    if (!path_exists(path)) continue;
    int before = state::version_of_file(path);
    state::Connection db(path, durable);  // refuses a newer one, brings an older one up to date
    done.push_back({path, before, state::schema_version});
  }
  return done;
}

DiskUsage LocalEngine::disk_usage() {
  DiskUsage usage;
  DiskUsage::Row images{"Images", 0, 0, 0, 0};
  // A layer that several images share is there once.
  std::map<oci::Digest, std::int64_t> users;
  std::set<oci::Digest> needed;
  auto all_images = images_.list();
  auto bytes_of = [&](const oci::Digest& chain) { return snapshotter_.has(chain) ? snapshotter_.size(chain) : 0; };
  for (const auto& image : all_images) {
    ++images.total;
    for (const auto& chain : image.chain) ++users[chain];
    if (db_.containers_of_image(image.id).empty()) continue;
    ++images.active;
    needed.insert(image.chain.begin(), image.chain.end());
  }
  for (const auto& [chain, count] : users) {
    std::uint64_t bytes = bytes_of(chain);
    images.size += bytes;
    if (needed.count(chain) == 0) images.reclaimable += bytes;
  }
  for (auto& summary : list_images({})) {
    DiskUsage::ImageUse use;
    use.image = std::move(summary);
    for (const auto& image : all_images) {
      if (image.id != use.image.id) continue;
      for (const auto& chain : image.chain) (users[chain] > 1 ? use.shared : use.unique) += bytes_of(chain);
    }
    usage.images.push_back(std::move(use));
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
    usage.containers.push_back({container, bytes});
  }
  DiskUsage::Row volumes{"Local Volumes", 0, 0, 0, 0};
  for (const auto& row : db_.volumes()) {
    auto users_of = users_of_volume(row.name);
    bool used = !users_of.empty();
    std::uint64_t bytes = tree_size(volume_dir(row.name));
    ++volumes.total;
    volumes.active += used ? 1 : 0;
    volumes.size += bytes;
    if (!used) volumes.reclaimable += bytes;
    usage.volumes.push_back({inspect_volume(row.name), static_cast<std::int64_t>(users_of.size()), bytes});
  }
  usage.rows = {images, containers, volumes};
  return usage;
}

}  // namespace servin::engine
