// SPDX-License-Identifier: Apache-2.0
// wait: for the end, or for a state. The end is told by the shim's connection; states are files of the container's
// folder, which is watched.
#include <algorithm>
#include <poll.h>
#include <unistd.h>

#include <sys/inotify.h>

#include "base/strings.h"
#include "engine/local/health_state.h"
#include "engine/local/local.h"
#include "engine/local/running.h"

namespace servin::engine {
namespace {

// Wakes when a status file is put into the folder or the folder goes.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& dir) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    if (!fd_) throw_errno("watch {}", dir);
    ::inotify_add_watch(fd_.get(), dir.c_str(), IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF);
  }
  void wait() {
    // The look again after a while is for a folder that went before it was watched.
    pollfd p{fd_.get(), POLLIN, 0};
    ::poll(&p, 1, 500);
    char buffer[4096];
    while (::read(fd_.get(), buffer, sizeof buffer) > 0) {
    }
  }

 private:
  Fd fd_;
};

bool is_health(const std::string& condition) { return condition == "healthy" || condition == "unhealthy"; }

/// Podman's word for it.
std::string status_word(const std::string& condition) { return condition == "stopped" ? "exited" : condition; }

bool is_state(const std::string& condition) {
  if (is_health(condition)) return true;
  std::string word = status_word(condition);
  for (Status s : {Status::created, Status::running, Status::paused, Status::exited, Status::restarting})
    if (word == to_string(s)) return true;
  return false;
}

void check_condition(const std::string& condition) {
  static const std::vector<std::string> known = {"not-running", "next-exit", "removed",   "healthy",
                                                 "unhealthy",   "running",   "exited",    "stopped",
                                                 "paused",      "created",   "restarting"};
  if (condition.empty() || std::find(known.begin(), known.end(), condition) != known.end()) return;
  std::string hint = did_you_mean_hint(condition, known);
  throw error(ErrorCode::invalid_argument, "unknown condition {}", quoted(condition))
      .with_id("E-OPTION-VALUE")
      .with_hint(hint.empty() ? "known conditions: " + join(known, " ") : hint);
}

}  // namespace

ExitResult LocalEngine::wait_for_state(Row row, const std::string& condition) {
  ContainerConfig config = load_container(row).config;
  if (is_health(condition) && !has_health_check(config.request.health))
    throw error(ErrorCode::failed_precondition, "container {} has no health check", row.name)
        .with_id("E-NO-HEALTHCHECK")
        .with_hint("run it with --health-cmd COMMAND");
  make_dirs(run_dir(row.id));
  FolderWatch watch(run_dir(row.id));
  for (;;) {
    ContainerState state = observe(row);
    fill_health(config, state);
    bool met = is_health(condition) ? state.health == condition : to_string(state.status) == status_word(condition);
    if (met) return {state.exit_code, state.oom_killed, state.error};
    bool over = state.status == Status::exited && !is_being_made(row);
    if (is_health(condition) && over) throw not_running(row.name);
    watch.wait();
    auto current = db_.container(row.id);
    if (!current) throw no_such_container(row.name);
    row = *current;
  }
}

ExitResult LocalEngine::wait(const std::string& text, const std::string& condition) {
  check_condition(condition);
  Row row = find(text);
  if (is_state(condition)) return wait_for_state(row, condition);
  bool next = condition == "next-exit";
  if (next) make_dirs(run_dir(row.id));
  FolderWatch watch(run_dir(row.id));
  ContainerState state = observe(row);
  if (next) {
    // A run may be over before we look again: then its end is another than the one that we knew.
    Time before = state.finished;
    auto came = [&] { return is_up(state.status) || (state.finished.is_set() && state.finished != before); };
    while (!came()) {
      watch.wait();
      auto current = db_.container(row.id);
      if (!current) throw no_such_container(text);
      state = observe(row = *current);
    }
    if (!is_up(state.status)) return {state.exit_code, state.oom_killed, state.error};
  }
  while (is_up(state.status) || state.status == Status::restarting) {
    if (state.status == Status::restarting) {
      watch.wait();
      auto current = db_.container(row.id);
      if (!current) break;
      state = observe(row = *current);
      continue;
    }
    auto end = wait_until_stopped(row, -1, state);
    if (end == shim::WaitEnd::stuck) throw stuck(row).context("container " + row.name);
    // With a restart policy the end of one run is not the end.
    bool another = state.status == Status::restarting && !next;
    if (end != shim::WaitEnd::late && !another) break;
  }
  while (condition == "removed" && db_.container(row.id)) watch.wait();
  return {state.exit_code, state.oom_killed, state.error};
}

}  // namespace servin::engine
