// SPDX-License-Identifier: Apache-2.0
// rm, rename, container prune.
#include <ctime>
#include <unistd.h>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "engine/local/records.h"

namespace servin::engine {
namespace {

constexpr std::int64_t kill_patience = 10'000'000'000;

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
  snapshotter_.discard(row.id);
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
  remove_tree(run_dir(row.id));
}

void LocalEngine::remove(const std::string& text, bool force, bool volumes) {
  Row row = find(text);
  ContainerState state = observe(row);
  bool up = state.status == Status::running || state.status == Status::paused;
  if (up && !force)
    throw error(ErrorCode::conflict, "container {} is {}", row.name, to_string(state.status))
        .with_id("E-RUNNING")
        .with_hint("stop it first: servin stop " + row.name + ", or: servin rm --force " + row.name);
  // Without the lock: whoever holds it while the container runs waits for exactly this.
  if (up) {
    kill_now(row);
    if (!wait_until_stopped(row, kill_patience, state))
      throw error(ErrorCode::timeout, "container {} does not end although it was killed", row.name)
          .with_id("E-KILL-TIMEOUT")
          .with_hint("a process of it hangs in the kernel; look at it: servin top " + row.name);
  }
  for (std::int64_t deadline = monotonic_ns() + 2'000'000'000;
       force && is_being_made(row) && monotonic_ns() < deadline;)
    nap();
  FileLock held = lock(row);
  auto current = db_.container(row.id);
  if (!current) return remove_tree(run_dir(row.id));  // --rm, or somebody else's rm: it is gone as asked
  if (settle(*current, state)) {
    if (state.status == Status::running || state.status == Status::paused)
      throw error(ErrorCode::conflict, "container {} was started meanwhile", row.name)
          .with_id("E-RUNNING")
          .with_hint("try again: servin rm --force " + row.name);
    remove_settled(*current, volumes || current->auto_remove);
  }
  spawn_sweeper();
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
}

PruneResult LocalEngine::prune_containers(const Filters& filters) {
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
    try {
      FileLock held = lock(*row);
      auto current = db_.container(row->id);
      ContainerState state;
      if (!current || !settle(*current, state)) continue;
      if (state.status == Status::running || state.status == Status::paused) continue;
      remove_settled(*current, true);
      result.deleted.push_back(row->id);
      result.reclaimed += bytes;
    } catch (const Error& e) {
      log::warn("container {}: {}", row->name, e.what());
    }
  }
  spawn_sweeper();
  return result;
}

}  // namespace servin::engine
