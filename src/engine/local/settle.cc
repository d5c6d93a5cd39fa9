// SPDX-License-Identifier: Apache-2.0
// Record and reality. The row's last_state is the truth once a container has ended and been tidied up; before that the
// shim's status file is, and behind it the processes that it names (pid and start time: after a reboot, or when the
// pid belongs to somebody else by now, they are simply gone).
//
//   creator alive, no status    being made: nobody touches it
//   creator gone, no status     a create that was killed: goes
//   shim gone, phase running    the shim was killed: whatever is left of the container is ended, exit code 255
//   no status, last_state says running    the host was restarted: exit code 255; with an end in it, a start that was
//                               killed: as it ended before
//   shim alive, restarting      has ended and waits to be started again
//   ended, --rm                 its tidying was killed: goes
//   paused by a commit that is gone    goes on
#include <csignal>
#include <set>
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "shim/client/restart.h"

namespace servin::engine {
namespace {

constexpr int lost_exit_code = 255;

std::optional<ProcessId> parse_process(const std::string& text) {
  auto pair = split_once(text, ' ');
  if (!pair) return std::nullopt;
  auto pid = parse_u64(pair->first);
  auto start = parse_u64(pair->second);
  if (!pid || !start) return std::nullopt;
  return ProcessId{static_cast<pid_t>(*pid), *start};
}

// A record that cannot be read must not keep a container from being seen and removed.
ContainerState recorded_state(const state::ContainerRow& row) {
  try {
    return parse_state(row.id, row.last_state);
  } catch (const Error& e) {
    ContainerState state;
    state.status = Status::exited;
    state.exit_code = lost_exit_code;
    state.error = e.message();
    return state;
  }
}

ContainerState lost(ContainerState state, std::string why, Time finished) {
  state.status = Status::exited;
  state.pid = 0;
  state.exit_code = lost_exit_code;
  state.error = std::move(why);
  state.finished = finished;
  return state;
}

// A status file that cannot be read must not hide the container: it counts as one whose supervisor is lost.
std::optional<shim::StatusRecord> read_status_or_lost(const std::string& dir) {
  try {
    return shim::read_status(dir);
  } catch (const Error&) {
    shim::StatusRecord record;
    record.phase = shim::Phase::running;
    record.started = now();
    return record;
  }
}

/// What is kept beside the status while the container has a folder in the runtime directory.
void look_at_marks(const std::string& dir, ContainerState& state) {
  state.stopped_by_hand = path_exists(dir + "/" + shim::stopped_name);
  if (auto restart = shim::read_restart(dir)) state.restarts = restart->count;
}

}  // namespace

bool LocalEngine::is_being_made(const Row& row) {
  if (row.creator.empty() || !row.last_state.empty()) return false;
  auto creator = parse_process(row.creator);
  return creator && is_alive(*creator) && !path_exists(run_dir(row.id) + "/status");
}

ContainerState LocalEngine::observe(const Row& row) {
  ContainerState state;
  if (!row.last_state.empty()) {
    state = recorded_state(row);
    if (state.status != Status::running) return state;
  }
  std::string dir = run_dir(row.id);
  auto status = read_status_or_lost(dir);
  if (!status) {
    if (state.status != Status::running) return state;
    // A start that was killed before it had a supervisor changed nothing.
    if (state.finished.is_set()) return state.status = Status::exited, state;
    return lost(state, "the host was restarted", state.started);
  }
  state.pid = 0;
  state.started = status->started;
  state.finished = status->finished;
  state.oom_killed = status->oom_killed;
  look_at_marks(dir, state);
  switch (status->phase) {
    case shim::Phase::starting:
      state.status = Status::created;
      if (is_alive(status->shim)) {
        // Not the first time: until it runs, whoever waits for the end goes on waiting.
        if (auto restart = shim::read_restart(dir); restart && restart->count > 0) state.status = Status::restarting;
        return state;
      }
      return lost(state, "the supervisor was killed while it started the container", now());
    case shim::Phase::running:
      if (!is_alive(status->shim)) {
        // It may have written its last word and ended between the two looks.
        auto last = read_status_or_lost(dir);
        if (last && last->phase != shim::Phase::running) return observe(row);
        return lost(state, "the supervisor was killed", now());
      }
      // What the last run ended with is past.
      state.exit_code = 0;
      state.error.clear();
      state.pid = status->process.pid;
      state.status = path_exists(dir + "/paused") ? Status::paused : Status::running;
      return state;
    case shim::Phase::restarting:
      // Whoever is to start it again was killed: then it has simply ended.
      if (is_alive(status->shim)) {
        state.status = Status::restarting;
        state.exit_code = status->exit_code;
        return state;
      }
      [[fallthrough]];
    case shim::Phase::exited:
      state.status = Status::exited;
      state.exit_code = status->exit_code;
      state.error = status->error;
      return state;
    case shim::Phase::failed:
      state.status = Status::created;
      state.exit_code = status->exit_code;
      state.error = status->error;
      return state;
  }
  return state;
}

// A commit pauses for a moment; the mark of a pause that is to stay names nobody.
bool LocalEngine::is_left_paused(const Row& row) {
  auto committer = parse_process(std::string(trim(read_file(run_dir(row.id) + "/paused", 64).value_or(""))));
  return committer && !is_alive(*committer);
}

bool LocalEngine::needs_settling(const Row& row, const ContainerState& state) {
  if (state.status == Status::paused) return is_left_paused(row);
  if (is_up(state.status) || state.status == Status::restarting) return false;
  if (is_being_made(row)) return false;
  if (state.status == Status::removing) return true;
  if (state.status == Status::exited)
    return row.auto_remove || row.last_state.empty() || recorded_state(row).status != Status::exited;
  // Created: complete, or left behind by a killed create, or not come up.
  auto status = read_status_or_lost(run_dir(row.id));
  if (status) return !is_alive(status->shim);
  return !row.creator.empty();
}

// Ends what is left of a container that has no supervisor any more: its cgroups' processes, then the cgroups. The first
// process dies with its parent; this is for what the kernel had no time for.
void LocalEngine::end_leftovers(const Row& row) {
  std::string plan = end_processes(row.id);
  if (!plan.empty()) runtime_for(isolation_of(row)).clean_up(plan);
  networks_.leave(row.id);
}

void LocalEngine::end_leftovers(const std::string& id, Isolation isolation) {
  std::string plan = end_processes(id);
  if (!plan.empty()) runtime_for(isolation).clean_up(plan);
  networks_.leave(id);
}

/// Returns the launch plan.
std::string LocalEngine::end_processes(const std::string& id) {
  auto status = read_status_or_lost(run_dir(id));
  for (const ProcessId& process : status ? std::vector{status->process, status->shim} : std::vector<ProcessId>{}) {
    if (process.pid <= 0) continue;
    if (auto pidfd = open_pidfd(process)) send_signal(*pidfd, SIGKILL);
  }
  return read_plan(id);
}

// What a command that was killed between the steps of a removal left: folders without a record. They are listed before
// the records are read, and a record is claimed before its folder is made, so that nobody's new container is among
// them.
void LocalEngine::drop_orphans() {
  auto running = list_dir(paths_.run + "/containers");
  auto stored = list_dir(paths_.root + "/containers");
  if (running.empty() && stored.empty()) return;
  std::set<std::string> known;
  for (auto& id : db_.container_ids()) known.insert(std::move(id));
  for (const auto& id : running)
    if (known.count(id) == 0) drop_orphan(id);
  for (const auto& id : stored)
    if (known.count(id) == 0 && !path_exists(run_dir(id))) snapshotter_.discard(id);
  networks_.sweep([&](const std::string& id) { return known.count(id) > 0 || path_exists(run_dir(id)); });
}

void LocalEngine::drop_orphan(const std::string& id) {
  try {
    auto held = FileLock::try_acquire(run_dir(id) + "/lock");
    if (!held) return;  // somebody is at it
    auto status = shim::read_status(run_dir(id));
    if (status && is_alive(status->shim)) return;  // `system doctor` tells
    end_leftovers(id, Isolation::namespaces);
    remove_tree(run_dir(id));
  } catch (const Error& e) {
    log::debug("folder of {}: {}", id, e.what());
  }
}

Error LocalEngine::being_made(const Row& row) {
  return error(ErrorCode::unavailable, "container {} is being made by pid {}", row.name,
               row.creator.substr(0, row.creator.find(' ')))
      .with_id("E-LOCKED")
      .with_hint("try again in a moment");
}

bool LocalEngine::settle(const Row& row, ContainerState& state) {
  state = observe(row);
  if (is_being_made(row)) throw being_made(row);
  if (!needs_settling(row, state)) return true;
  if (state.status == Status::paused) {
    thaw(row);
    state.status = Status::running;
    return true;
  }
  auto status = read_status_or_lost(run_dir(row.id));
  bool never_made = !row.creator.empty() && row.last_state.empty() && !status;
  bool ended = state.status != Status::created || status;  // a start that failed is an end too
  if (never_made || state.status == Status::removing || (row.auto_remove && ended)) {
    remove_settled(row, row.auto_remove);
    return false;
  }
  look_at_marks(run_dir(row.id), state);
  bool had_network = networks_.attachment(row.id).has_value();
  end_leftovers(row);
  if (had_network && networks_.has_unused()) spawn_sweeper();
  release_volumes();
  ::unlink((run_dir(row.id) + "/paused").c_str());
  db_.set_last_state(row.id, to_json(state));
  // Any other end was written down by the supervisor.
  if (status && status->phase == shim::Phase::running && state.status == Status::exited)
    emit(row, "die", {{"exitCode", std::to_string(state.exit_code)}});
  return true;
}

bool LocalEngine::settle_if_needed(const Row& row, ContainerState& state) {
  state = observe(row);
  if (!needs_settling(row, state)) return true;
  make_dirs(run_dir(row.id));
  auto held = FileLock::try_acquire(run_dir(row.id) + "/lock");
  // Somebody is at it: what we saw is right enough for a look.
  if (!held) return !row.auto_remove || state.status == Status::created;
  auto current = db_.container(row.id);
  if (!current) {
    remove_tree(run_dir(row.id));
    return false;
  }
  try {
    if (settle(*current, state)) return true;
    spawn_sweeper();  // what is left of it
    return false;
  } catch (const Error& e) {
    if (e.id() == "E-LOCKED") return true;
    // One broken container must not hide the others.
    log::warn("container {}: {}", current->name, e.what());
    return true;
  }
}

}  // namespace servin::engine
