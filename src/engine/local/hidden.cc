// SPDX-License-Identifier: Apache-2.0
#include "engine/local/hidden.h"

#include "base/log.h"
#include "engine/local/local.h"
#include "engine/local/records.h"

namespace servin::engine {

void LocalEngine::persist(const std::string& id) {
  auto row = db_.container(id);
  if (!row || row->auto_remove) return;
  // Against the tidying of a container that ends at once.
  FileLock held = lock(*row);
  row = db_.container(id);
  if (!row) return remove_tree(run_dir(id));
  // A reboot from now on finds a container that was running, not one that was never started.
  if (row->last_state.empty() || parse_state(id, row->last_state).status == Status::running) {
    ContainerState state = observe(*row);
    state.status = Status::running;
    db_.set_last_state(id, to_json(state), false);
  }
  db_.persist_container(id);
}

// Everything of settle(): the shim has recorded the end before it started us.
void LocalEngine::tidy(const std::string& id) {
  auto row = db_.container(id);
  if (row) {
    make_dirs(run_dir(id));
    FileLock held = lock(*row);
    ContainerState state;
    if (auto current = db_.container(id))
      settle(*current, state);
    else
      remove_tree(run_dir(id));
  }
  sweep();
}

// By one process at a time: many containers that end together would only get in each other's way. Who holds the lock
// looks once more after letting go, so that nothing which came meanwhile stays.
void LocalEngine::sweep() {
  drop_orphans();
  if (!path_exists(paths_.trash())) return;
  make_dirs(paths_.run);
  for (std::size_t left = 0;;) {
    std::size_t before = left;
    {
      auto held = FileLock::try_acquire(paths_.run + "/trash.lock");
      if (!held) return;
      snapshotter_.empty_trash();
    }
    left = list_dir(paths_.trash()).size();
    if (left == 0 || left == before) return;  // what cannot go now waits for the next sweep
  }
}

void hidden_cleanup(const Paths& paths, const std::string& id) {
  LocalEngine engine(paths);
  if (id.empty())
    engine.sweep();
  else
    engine.tidy(id);
}

void hidden_persist(const Paths& paths, const std::string& id) { LocalEngine(paths).persist(id); }

}  // namespace servin::engine
