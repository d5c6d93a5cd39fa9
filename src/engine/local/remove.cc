// SPDX-License-Identifier: Apache-2.0
// rm, rename, container prune.
#include <ctime>
#include <unistd.h>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "shim/client/protocol.h"

namespace servin::engine {
namespace {

void nap() {
  timespec t{0, 2'000'000};
  ::nanosleep(&t, nullptr);
}

}  // namespace

// Each step can be repeated; the row goes last, so that an interrupted removal is found and finished. The mark keeps a
// half removed container from being started.
void LocalEngine::remove_settled(const Row& row, bool volumes) {
  if (!row.auto_remove) {
    ContainerState removing;
    removing.status = Status::removing;
    db_.set_last_state(row.id, to_json(removing), false);
  }
  end_leftovers(row);
  networks_.forget(row.id);
  snapshotter_.discard(row.id);
  EventRecord news = row_event(row, "destroy");
  std::vector<std::string> anonymous;
  if (volumes) {
    try {
      anonymous = load_container(row).config.anonymous_volumes;
    } catch (const Error& e) {
      log::warn("container {}: its volumes are not known: {}", row.name, e.what());
    }
  }
  db_.remove_container(row.id);
  // Of others that took them with --volumes-from they stay.
  for (const auto& name : anonymous)
    if (users_of_volume(name).empty()) drop_volume(name);
  release_volumes();
  remove_tree(run_dir(row.id));
  news.time = now();
  emit({std::move(news)});
}

// Without the lock: whoever holds it while the container runs waits for exactly this.
void LocalEngine::end_by_force(const Row& row) {
  emit(row, "kill", {{"signal", "9"}});
  if (kill_and_wait(row) == shim::WaitEnd::stuck) end_supervisor(row);
}

// False: it runs (again). With the container's lock held.
bool LocalEngine::try_remove(const Row& row, bool volumes) {
  auto current = db_.container(row.id);
  if (!current) {
    remove_tree(run_dir(row.id));  // --rm, or somebody else's rm: it is gone as asked
    return true;
  }
  if (is_being_made(*current)) throw being_made(*current);
  Status status = observe(*current).status;
  if (is_up(status)) return false;
  if (status == Status::restarting) end_supervisor(*current);
  remove_settled(*current, volumes || current->auto_remove);
  return true;
}

void LocalEngine::remove(const std::string& text, bool force, bool volumes) {
  Row row = find(text);
  for (int attempt = 0; attempt < (force ? 10 : 1); ++attempt) {
    Status status = observe(row).status;
    bool up = is_up(status) || status == Status::restarting;
    if (up && !force) break;
    // Before the kill if it is free: the tidying that the end sets off then leaves the work to us. Whoever holds it
    // while the container runs waits for exactly this end.
    auto held = try_lock(row);
    if (up) {
      mark_stopped(row);
      end_by_force(row);
    }
    std::int64_t deadline = monotonic_ns() + 2'000'000'000;
    while (force && is_being_made(row) && monotonic_ns() < deadline) nap();
    if (!held) held.emplace(lock(row));
    // A restart may have come between.
    if (!try_remove(row, volumes)) continue;
    drop_unused_layers(row.image_id);
    return spawn_sweeper();
  }
  throw error(ErrorCode::conflict, "container {} is {}", row.name, to_string(observe(row).status))
      .with_id("E-RUNNING")
      .with_hint("stop it first: servin stop " + row.name + ", or: servin rm --force " + row.name);
}

void LocalEngine::rename(const std::string& text, const std::string& name) {
  check_name("container", name);
  Locked c = lock_and_settle(text);
  if (c.row.name == name)
    throw error(ErrorCode::conflict, "container {} has that name already", name).with_id("E-NAME-TAKEN");
  auto holder = db_.container_by_name(name);
  ContainerState state;
  if (holder) settle_if_needed(*holder, state);
  db_.rename_container(c.row.id, name);
  networks_.rename(c.row.id, name);
  c.container.config.request.name = name;
  // For the supervisor, which tells the end.
  write_file(run_dir(c.row.id) + "/" + std::string(shim::event_members_name),
             event_members(container_event(c.container.config, "").attributes));
  emit({container_event(c.container.config, "rename", {{"oldName", "/" + c.row.name}})});
}

PruneResult LocalEngine::prune_containers(const Filters& filters, bool dry_run) {
  check_filter_keys(filters, {"until", "label", "label!"});
  PruneResult result;
  ContainerFilter all;
  all.all = true;
  for (const auto& container : list(all)) {
    Status status = container.state.status;
    if (status != Status::exited && status != Status::created && status != Status::dead) continue;
    if (!matches_prune(filters, container.config.labels, container.config.created)) continue;
    auto row = db_.container(container.config.id);
    if (!row || is_being_made(*row)) continue;
    std::uint64_t bytes = tree_size(paths_.container(row->id));
    if (dry_run) {
      result.deleted.push_back(row->id);
      result.reclaimed += bytes;
      continue;
    }
    try {
      FileLock held = lock(*row);
      auto current = db_.container(row->id);
      ContainerState state;
      if (!current || !settle(*current, state)) continue;
      if (is_up(state.status)) continue;
      remove_settled(*current, true);
      drop_unused_layers(row->image_id);
      result.deleted.push_back(row->id);
      result.reclaimed += bytes;
    } catch (const Error& e) {
      log::warn("container {}: {}", row->name, e.what());
    }
  }
  if (!dry_run) {
    emit("container", "prune", "", {{"reclaimed", std::to_string(result.reclaimed)}});
    spawn_sweeper();
  }
  return result;
}

}  // namespace servin::engine
