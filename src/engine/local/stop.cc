// SPDX-License-Identifier: Apache-2.0
// stop, restart, kill, pause, unpause. Signals go to exactly the process of the record (pidfd, start time), never
// to a bare pid. Waiting is on the shim's connection: it tells the end even when the container's files go at once.
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "engine/options.h"
#include "shim/client/restart.h"

namespace servin::engine {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr int default_stop_seconds = 10;
// How long a killed process may take to be gone: it can hang in a device or a network file system.
constexpr std::int64_t kill_patience = 10 * second;

// Whoever sends these does not want the container back; other signals say something to its program.
bool is_meant_to_end(int number, const ContainerConfig& config) {
  return number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGQUIT ||
         number == parse_signal(config.stop_signal);
}

}  // namespace

Isolation LocalEngine::isolation_of(const Row& row) {
  try {
    return load_container(row).config.request.isolation;
  } catch (const Error&) {
    // A damaged record must not keep a container from going.
    return Isolation::namespaces;
  }
}

shim::WaitEnd LocalEngine::wait_until_stopped(const Row& row, std::int64_t timeout_ns, ContainerState& state) {
  shim::Waited waited = shim::wait_exit(run_dir(row.id), timeout_ns);
  if (waited.end == shim::WaitEnd::told) {
    bool again = waited.status.phase == shim::Phase::restarting;
    state.status = again ? Status::restarting : Status::exited;
    state.pid = 0;
    state.exit_code = waited.status.exit_code;
    state.oom_killed = waited.status.oom_killed;
    state.error = waited.status.error;
    state.started = waited.status.started;
    state.finished = waited.status.finished;
  } else {
    state = observe(row);
  }
  // Up again: somebody has started it meanwhile.
  if (waited.end == shim::WaitEnd::lost && is_up(state.status)) return shim::WaitEnd::late;
  return waited.end;
}

void LocalEngine::signal_container(const Row& row, int number) {
  auto status = shim::read_status(run_dir(row.id));
  if (!status || status->process.pid <= 0) return;
  auto pidfd = open_pidfd(status->process);
  if (pidfd) send_signal(*pidfd, number);
}

// A frozen process does not even die; the freezer is asked as well, because others can freeze too.
void LocalEngine::thaw(const Row& row) {
  std::string plan = read_plan(row.id);
  if (plan.empty()) return;
  auto& runtime = runtime_for(isolation_of(row));
  std::string marker = run_dir(row.id) + "/paused";
  if (path_exists(marker) || runtime.is_paused(plan)) runtime.unpause(plan);
  ::unlink(marker.c_str());
}

void LocalEngine::kill_now(const Row& row) {
  signal_container(row, SIGKILL);
  try {
    thaw(row);
    std::string plan = read_plan(row.id);
    if (!plan.empty()) runtime_for(isolation_of(row)).kill_all(plan, SIGKILL);
  } catch (const Error& e) {
    log::debug("kill the processes of {}: {}", row.name, e.what());
  }
}

void LocalEngine::stop_row(const Row& row, std::optional<int> timeout, const std::string& signal) {
  if (!is_up(observe(row).status)) return;
  ContainerConfig config = load_container(row).config;
  int number = parse_signal(signal.empty() ? config.stop_signal : signal);
  int seconds = timeout.value_or(config.request.stop_timeout.value_or(default_stop_seconds));
  thaw(row);
  emit(row, "kill", {{"signal", std::to_string(number)}});
  signal_container(row, number);
  ContainerState state;
  auto end = wait_until_stopped(row, seconds < 0 ? -1 : seconds * second, state);
  if (end == shim::WaitEnd::late) {
    emit(row, "kill", {{"signal", "9"}});
    end = kill_and_wait(row);
  }
  if (end == shim::WaitEnd::stuck)
    log::warn("container {} has ended, but not its record: {}", row.name, stuck(row).what());
  emit(row, "stop");
}

// What is left to do when the shim of a dead process does not go on by itself, and somebody wants all of it gone.
void LocalEngine::end_supervisor(const Row& row) {
  auto status = shim::read_status(run_dir(row.id));
  auto pidfd = status ? open_pidfd(status->shim) : std::nullopt;
  if (!pidfd) return;
  send_signal(*pidfd, SIGKILL);
  pollfd p{pidfd->get(), POLLIN, 0};
  while (::poll(&p, 1, static_cast<int>(kill_patience / 1'000'000)) < 0 && errno == EINTR) {
  }
}

Error LocalEngine::stuck(const Row& row) {
  auto status = shim::read_status(run_dir(row.id));
  return shim::stuck_supervisor(status ? status->shim.pid : 0, status && is_stopped(status->shim));
}

shim::WaitEnd LocalEngine::kill_and_wait(const Row& row) {
  kill_now(row);
  ContainerState state;
  auto end = wait_until_stopped(row, kill_patience, state);
  if (end != shim::WaitEnd::late) return end;
  throw error(ErrorCode::timeout, "container {} does not end although it was killed", row.name)
      .with_id("E-KILL-TIMEOUT")
      .with_hint("a process of it hangs in the kernel; look at it: servin top " + row.name);
}

void LocalEngine::stop(const std::string& text, std::optional<int> timeout, const std::string& signal) {
  if (!signal.empty()) parse_signal(signal);
  Row row = find(text);
  // More than once only when it was started again at the very moment.
  for (int attempt = 0; attempt < 10; ++attempt) {
    Status status = observe(row).status;
    if (!is_up(status) && status != Status::restarting) return;
    mark_stopped(row);
    if (is_up(status)) stop_row(row, timeout, signal);
    if (observe(row).status != Status::restarting) return keep_stop(row);
    FileLock held = lock(row);
    end_back_off(row);
  }
}

// Written down before anybody is told: after a power failure it must not be taken for one that wants to run.
void LocalEngine::keep_stop(const Row& row) {
  if (!shim::read_restart(run_dir(row.id))) return;
  FileLock held = lock(row);
  ContainerState state;
  if (auto current = db_.container(row.id)) settle(*current, state);
}

// Under one lock from stop to start: the tidying of a --rm container waits and then finds it running.
void LocalEngine::restart(const std::string& text, std::optional<int> timeout) {
  Locked c = lock_and_settle(text);
  stop_row(c.row, timeout, "");
  end_leftovers(c.row);
  end_supervisor(c.row);
  c.container.state = observe(c.row);
  // The kernel refuses a volatile overlay's folders a second time, because a crash may have lost data between; here the
  // host has been up all the time.
  if (c.row.auto_remove) remove_tree(paths_.container(c.row.id) + "/work/work/incompat");
  start_locked(c, nullptr);
  emit(c.row, "restart");
}

void LocalEngine::kill(const std::string& text, const std::string& signal) {
  int number = parse_signal(signal.empty() ? "SIGKILL" : signal);
  Row row = find(text);
  Status status = observe(row).status;
  if (!is_up(status) && status != Status::restarting) throw not_running(row.name);
  bool ends = is_meant_to_end(number, load_container(row).config);
  if (status == Status::restarting && !ends) throw is_restarting(row.name);
  if (ends) mark_stopped(row);
  emit(row, "kill", {{"signal", std::to_string(number)}});
  signal_container(row, number);
  if (number == SIGKILL) thaw(row);
  if (!ends || observe(row).status != Status::restarting) return;
  FileLock held = lock(row);
  end_back_off(row);
}

void LocalEngine::pause(const std::string& text) {
  Locked c = lock_and_settle(text);
  if (c.container.state.status == Status::paused)
    throw error(ErrorCode::conflict, "container {} is paused already", c.row.name).with_id("E-PAUSED");
  if (c.container.state.status != Status::running) throw not_running(c.row.name);
  // The mark first: with it a kill thaws, whatever happens in between.
  write_file(run_dir(c.row.id) + "/paused", "");
  try {
    runtime_for(isolation_of(c.row)).pause(read_plan(c.row.id));
  } catch (...) {
    ::unlink((run_dir(c.row.id) + "/paused").c_str());
    throw;
  }
  emit(c.row, "pause");
}

void LocalEngine::unpause(const std::string& text) {
  Locked c = lock_and_settle(text);
  if (c.container.state.status != Status::paused)
    throw error(ErrorCode::conflict, "container {} is not paused", c.row.name).with_id("E-NOT-PAUSED");
  thaw(c.row);
  emit(c.row, "unpause");
}

}  // namespace servin::engine
