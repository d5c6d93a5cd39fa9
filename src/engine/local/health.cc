// SPDX-License-Identifier: Apache-2.0
// One health check: the verb that the shim starts at its time. The command runs as an exec does, but without events of
// its own; what came out is added to the record in the container's runtime folder.
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sys/wait.h>

#include "base/strings.h"
#include "engine/local/health_state.h"
#include "engine/local/local.h"
#include "engine/local/running.h"
#include "runtime/host/launch.h"
#include "runtime/linux/exec.h"

namespace servin::engine {
namespace {

constexpr int not_known = 3;

int answer_of(const std::string& status) { return status == "healthy" ? 0 : status == "unhealthy" ? 1 : 2; }

// A few reads at a time: who writes without an end must not keep us from the clock. They hold more than is kept.
void keep_output(Fd& fd, std::string& to) {
  constexpr int most_reads = 16;
  char buffer[4096];
  for (int i = 0; fd && i < most_reads; ++i) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) fd.reset();
    if (n <= 0) return;
    std::size_t room = health_output_limit - std::min(to.size(), health_output_limit);
    to.append(buffer, std::min(static_cast<std::size_t>(n), room));
  }
}

/// It is the leader of a session of its own: what it started goes with it. Not waited for yet, so the number is its.
void end_check(const runtime::Launched& check) {
  ::kill(-check.process.pid, SIGKILL);
  send_signal(check.pidfd, SIGKILL);
}

HealthResult watch_check(runtime::Launched check, std::int64_t timeout_ns) {
  HealthResult result;
  std::int64_t deadline = monotonic_ns() + timeout_ns;
  auto& io = check.stdio;
  for (Fd* fd : {&io.out, &io.err})
    if (*fd) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  bool late = false;
  for (bool ended = false; !ended && !late;) {
    std::int64_t left = deadline - monotonic_ns();
    late = left <= 0;
    pollfd p[3] = {{check.pidfd.get(), POLLIN, 0},
                   {io.out ? io.out.get() : -1, POLLIN, 0},
                   {io.err ? io.err.get() : -1, POLLIN, 0}};
    if (!late && ::poll(p, 3, static_cast<int>(std::min<std::int64_t>(left / 1'000'000 + 1, INT32_MAX))) < 0) continue;
    ended = p[0].revents != 0;
    keep_output(io.out, result.output);
    keep_output(io.err, result.output);
  }
  if (late) end_check(check);
  ExitStatus status = wait_child(check.process.pid);
  result.exit_code = late ? -1 : status.code;
  if (late) result.output = "Health check exceeded timeout (" + format_duration(timeout_ns) + ")";
  return result;
}

}  // namespace

void LocalEngine::fill_health(const ContainerConfig& config, ContainerState& state) {
  if (!is_up(state.status) || !has_health_check(config.request.health)) return;
  auto record = parse_health(read_file(run_dir(config.id) + "/health").value_or(""));
  state.health = record ? record->status : "starting";
}

std::string LocalEngine::health_json(const std::string& id, const std::string& status) {
  auto record = parse_health(read_file(run_dir(id) + "/health").value_or("")).value_or(HealthState{});
  if (!status.empty()) record.status = status;
  return to_json(record);
}

int LocalEngine::check_health(const std::string& id) {
  auto row = db_.container(id);
  auto status = shim::read_status(run_dir(id));
  if (!row || !status || observe(*row).status != Status::running) return not_known;  // paused, or over
  ContainerConfig config = load_container(*row).config;
  const auto& health = config.request.health;
  std::int64_t running = age_ns(status->process);
  runtime::ExecSpec spec;
  spec.args = health_command(health);
  Time start = now();
  HealthResult result;
  try {
    bool host = config.request.isolation == Isolation::none;
    auto check = host ? runtime::exec_on_host(read_plan(id), status->process, spec, {})
                      : runtime::exec(read_plan(id), status->process, spec, {});
    result = watch_check(std::move(check), health.timeout);
  } catch (const Error& e) {
    if (e.id() == "E-NOT-RUNNING") return not_known;
    result.exit_code = e.id() == "E-COMMAND-NOT-FOUND" ? 127 : e.id() == "E-COMMAND-NOT-EXECUTABLE" ? 126 : 125;
    result.output = e.message();
  }
  result.start = start;
  result.end = now();
  // It may have ended meanwhile, which killed the check, or run again.
  auto still = shim::read_status(run_dir(id));
  if (!still || still->phase != shim::Phase::running || still->process != status->process) return not_known;
  auto record = parse_health(read_file(run_dir(id) + "/health").value_or("")).value_or(HealthState{});
  bool changed = apply_result(record, health, std::move(result), running);
  write_file(run_dir(id) + "/health", to_json(record));
  if (changed) emit(*row, "health_status: " + record.status);
  return answer_of(record.status);
}

}  // namespace servin::engine
