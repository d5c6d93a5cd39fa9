// SPDX-License-Identifier: Apache-2.0
// The way to a container's files: through its process when it runs, else by the same mounts in a namespace of their
// own.
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/running.h"
#include "runtime/linux/mount_options.h"

namespace servin::engine {
namespace {

Fd open_folder(const std::string& path) { return open_file(path, O_PATH | O_DIRECTORY); }

ProcessId first_process(const std::string& run_dir, const std::string& name) {
  auto status = shim::read_status(run_dir);
  if (!status || status->process.pid <= 0) throw not_running(name);
  return status->process;
}

}  // namespace

// Only what is there without a running container: volumes, binds, images, and the container's own files in /etc.
runtime::LaunchPlan LocalEngine::tree_plan(const ContainerConfig& config) {
  runtime::LaunchPlan plan;
  auto root = snapshotter_.mount_of(config.id, config.chain_ids, false);
  plan.lowers = root.lowers;
  plan.upper = root.upper;
  plan.work = root.work;
  plan.mount_point = root.mount_point;
  plan.root_readonly = config.request.read_only;
  plan.user = config.request.user;
  std::string files = paths_.container(config.id);
  MountPlanner planner(config, files, paths_.snapshots());
  planner.volume_folder = [this](const std::string& name) { return volume_folder(name); };
  std::vector<oci::SpecMount> mounts;
  std::vector<runtime::CopyUp> copy_up;
  planner.plan(mounts, copy_up);
  for (const auto& mount : mounts) {
    bool own_file = mount.source.starts_with(files + "/");
    bool wanted = mount.type == "bind" || (mount.type == "overlay" && !mount.lowers.empty());
    // A container that was never started has no files in /etc yet.
    if (wanted && !(own_file && !path_exists(mount.source))) plan.mounts.push_back(runtime::plan_mount(mount));
  }
  for (auto& c : copy_up) plan.copy_up.push_back({std::move(c.volume_dir), std::move(c.target)});
  return plan;
}

/// Without a view yet. Of a container that does not run the lock is held.
LocalEngine::Tree LocalEngine::hold_tree(const std::string& text, Row row) {
  auto tree = std::make_shared<ContainerTree>();
  ContainerState state;
  if (!settle_if_needed(row, state)) throw no_such_container(text);
  if (is_being_made(row)) throw being_made(row);
  if (!is_up(state.status)) {
    Locked c = lock_and_settle(text);
    state.status = c.container.state.status;
    tree->lock = std::move(c.lock);
  }
  if (is_up(state.status)) tree->lock.reset();  // somebody started it meanwhile
  tree->row = std::move(row);
  tree->was_up = is_up(state.status);
  return tree;
}

LocalEngine::Tree LocalEngine::open_tree(const std::string& text, bool writable) {
  Row row = find(text);
  if (auto known = trees_[row.id].lock(); known && (known->writable || !writable)) return known;
  auto tree = hold_tree(text, row);
  tree->writable = writable;
  ContainerConfig config = load_container(row).config;
  if (::geteuid() != 0) {
    // Without root there are no mounts: the container's files are one folder.
    tree->view.root = open_folder(paths_.container(row.id) + "/upper");
    return tree;
  }
  if (tree->was_up) {
    tree->view = runtime::view_running(first_process(run_dir(row.id), row.name));
    return tree;
  }
  tree->release = [this] {
    try {
      release_volumes();
    } catch (const std::exception& e) {
      log::debug("volumes that nobody uses: {}", e.what());
    }
  };
  tree->volumes = mount_volumes(config);
  tree->view = runtime::view_stopped(tree_plan(config), writable ? runtime::ViewMode::write : runtime::ViewMode::read);
  mark_volumes_used(config);
  trees_[row.id] = tree;
  return tree;
}

LocalEngine::Tree LocalEngine::open_root(const std::string& text) {
  Row row = find(text);
  auto tree = hold_tree(text, row);
  ContainerConfig config = load_container(row).config;
  if (::geteuid() != 0) {
    tree->view.root = open_folder(paths_.container(row.id) + "/upper");
  } else if (tree->was_up && config.request.isolation == Isolation::namespaces) {
    tree->view = runtime::view_running_root(first_process(run_dir(row.id), row.name));
  } else {
    // Also of a running one without isolation: the root of its mounts is the host's.
    auto root = snapshotter_.mount_of(config.id, config.chain_ids, false);
    root.lowers.insert(root.lowers.begin(), root.upper);
    tree->view = runtime::view_layers(root.lowers, root.mount_point);
  }
  return tree;
}

}  // namespace servin::engine
