// SPDX-License-Identifier: Apache-2.0
#include "engine/local/hidden.h"

#include <algorithm>
#include <functional>

#include <sys/stat.h>

#include "base/log.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "image/scratch.h"

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
  sweeps_ = true;
  auto row = db_.container(id);
  if (row) {
    make_dirs(run_dir(id));
    FileLock held = lock(*row);
    ContainerState state;
    row = db_.container(id);
    if (row) settle(*row, state);
  }
  if (!row) {
    // Removed meanwhile, or its command dropped the record and was killed before it could tell the shim.
    end_leftovers(id, Isolation::namespaces);
    networks_.forget(id);
    snapshotter_.discard(id);
    remove_tree(run_dir(id));
  }
  sweep();
}

namespace {

// What cannot be judged now must not keep the volumes mounted, nor the trash from giving room back.
void sweep_part(std::string_view what, const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& e) {
    log::debug("{}: {}", what, e.what());
  }
}

}  // namespace

void LocalEngine::sweep() {
  sweep_part("records of removed containers", [&] { db_.forget_removed(); });
  sweep_part("folders without a record", [&] { drop_orphans(); });
  sweep_part("volumes that nobody uses", [&] { release_volumes(); });
  sweep_part("the trash", [&] { image::sweep_trash(paths_, [&] { snapshotter_.empty_trash(); }); });
  sweep_part("networks that nobody is in", [&] { networks_.drop_unused(); });  // last: it rests before
}

void LocalEngine::sweep_all() {
  sweeps_ = true;
  sweep_part("unfinished images", [&] { images_.sweep(); });
  sweep();
}

namespace {

// By the link count, where the file system counts folders in it: one call, however many there are.
std::size_t folders_in(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0 || st.st_nlink < 2) return 0;
  return st.st_nlink - 2;
}

}  // namespace

void LocalEngine::sweep_what_was_left(std::optional<std::size_t> known_containers) {
  bool orphans = known_containers && std::max(folders_in(paths_.root + "/containers"),
                                              folders_in(paths_.run + "/containers")) > *known_containers;
  if (orphans || db_.has_removed() || networks_.is_deserted() || image::needs_sweeping(paths_)) spawn_sweeper();
}

void hidden_cleanup(const Paths& paths, const std::string& id) {
  LocalEngine engine(paths);
  if (id.empty())
    engine.sweep_all();
  else
    engine.tidy(id);
}

void hidden_persist(const Paths& paths, const std::string& id) { LocalEngine(paths).persist(id); }
void hidden_restart(const Paths& paths, const std::string& id) { LocalEngine(paths).restart_by_policy(id); }
int hidden_health(const Paths& paths, const std::string& id) { return LocalEngine(paths).check_health(id); }

}  // namespace servin::engine
