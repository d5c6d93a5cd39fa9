// SPDX-License-Identifier: Apache-2.0
// Restart policies. While a container runs, its shim knows whether it has to come back (shim/client/restart.h); it
// starts the verb here for that, and nobody of us has to be there. After a reboot start_enabled() does it.
#include "shim/client/restart.h"

#include <algorithm>
#include <unistd.h>

#include "engine/local/local.h"
#include "engine/local/records.h"

namespace servin::engine {
namespace {

shim::RestartPolicy policy_of(const RestartRule& rule) {
  if (rule.policy == "on-failure") return shim::RestartPolicy::on_failure;
  if (rule.policy == "always") return shim::RestartPolicy::always;
  if (rule.policy == "unless-stopped") return shim::RestartPolicy::unless_stopped;
  return shim::RestartPolicy::no;
}

}  // namespace

void LocalEngine::leave_restart_record(const ContainerConfig& config, const shim::RestartRecord& so_far) {
  shim::RestartRecord record = so_far;
  record.policy = policy_of(config.request.restart);
  if (record.policy == shim::RestartPolicy::no) {
    ::unlink((run_dir(config.id) + "/" + shim::restart_name).c_str());
    return;
  }
  record.max_retries = static_cast<std::uint32_t>(config.request.restart.retries);
  record.verb = hidden_verb("__restart", config.id);
  shim::write_restart(run_dir(config.id), record);
}

void LocalEngine::mark_stopped(const Row& row) {
  try {
    write_file(run_dir(row.id) + "/" + shim::stopped_name, "");
  } catch (const Error& e) {
    // It ended by itself and is removed at this moment.
    if (e.code() != ErrorCode::not_found) throw;
  }
}

void LocalEngine::clear_marks(const std::string& id) {
  for (const char* name : {"stopped", "health"}) ::unlink((run_dir(id) + "/" + name).c_str());
}

void LocalEngine::end_back_off(const Row& row) {
  auto current = db_.container(row.id);
  if (!current) return remove_tree(run_dir(row.id));
  if (observe(*current).status != Status::restarting) return;
  end_supervisor(*current);
  ContainerState state;
  settle(*current, state);
}

// The record of the ended run stays until the new shim has put its own in its place: when this is killed at any moment,
// the ended shim, which waits for us, tries again.
void LocalEngine::restart_by_policy(const std::string& id) {
  auto row = db_.container(id);
  if (!row) return remove_tree(run_dir(id));
  FileLock held = lock(*row);
  row = db_.container(id);
  if (!row) return remove_tree(run_dir(id));
  ContainerState ended = observe(*row);
  auto status = shim::read_status(run_dir(id));
  auto record = shim::read_restart(run_dir(id));
  bool wanted = status && record && !path_exists(run_dir(id) + "/" + shim::stopped_name);
  if (ended.status != Status::restarting || !wanted) return;
  Locked c{std::move(held), *row, load_container(*row)};
  ended.status = Status::exited;
  if (record->counted_for != status->finished.ns) ++record->count;
  record->counted_for = status->finished.ns;
  record->delay_ms = status->delay_ms;
  ended.restarts = record->count;
  c.container.state = ended;
  // Only this container's own; its folders, volumes and names stay as they are.
  if (std::string plan = read_plan(id); !plan.empty()) runtime_for(isolation_of(*row)).clean_up(plan);
  networks_.leave(id);
  ::unlink((run_dir(id) + "/paused").c_str());
  ::unlink((run_dir(id) + "/health").c_str());
  leave_restart_record(c.container.config, *record);
  try {
    launch_again(c, nullptr);
  } catch (const Error&) {
    ::unlink((run_dir(id) + "/status").c_str());
    release_volumes();
    throw;
  }
}

bool LocalEngine::wants_to_run(const Container& container) {
  const RestartRule& rule = container.config.request.restart;
  const ContainerState& state = container.state;
  if (rule.policy.empty() || state.status != Status::exited || !state.started.is_set()) return false;
  if (rule.policy == "always") return true;
  if (state.stopped_by_hand) return false;
  if (rule.policy == "unless-stopped") return true;
  return state.exit_code != 0 && (rule.retries == 0 || state.restarts < rule.retries);
}

std::vector<EnabledStart> LocalEngine::start_enabled() {
  std::vector<EnabledStart> done;
  std::vector<Row> waiting;
  auto rows = db_.containers();
  std::reverse(rows.begin(), rows.end());  // oldest first
  for (const auto& row : rows) {
    try {
      ContainerState state;
      if (!settle_if_needed(row, state)) continue;
      Container container = load_container(row);
      container.state = state;
      if (wants_to_run(container)) waiting.push_back(row);
    } catch (const Error& e) {
      done.push_back({row.id, row.name, e.message()});
    }
  }
  // One that shares another's network or volumes fails until that one runs: as long as a round brings one more up.
  for (bool progress = true; progress && !waiting.empty();) {
    progress = false;
    std::vector<Row> failed;
    std::vector<EnabledStart> errors;
    for (const auto& row : waiting) {
      try {
        start(row.id, nullptr);
        done.push_back({row.id, row.name, ""});
        progress = true;
      } catch (const Error& e) {
        failed.push_back(row);
        errors.push_back({row.id, row.name, e.message()});
      }
    }
    waiting = std::move(failed);
    if (!progress) done.insert(done.end(), errors.begin(), errors.end());
  }
  return done;
}

}  // namespace servin::engine
