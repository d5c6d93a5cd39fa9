// SPDX-License-Identifier: Apache-2.0
// update: other limits and another restart policy, of running containers at once, of others from their next start.
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "engine/local/spec_parts.h"
#include "engine/options.h"
#include "shim/client/restart.h"
#include "state/container_config.h"

namespace servin::engine {
namespace {

template <typename T>
void take(T& to, const T& from) {
  if (from != T{}) to = from;
}

void merge(Resources& to, const Resources& from) {
  take(to.memory, from.memory);
  take(to.memory_swap, from.memory_swap);
  take(to.memory_reservation, from.memory_reservation);
  // Two ways to say one thing: the later word holds.
  if (from.nano_cpus != 0) to.cpu_quota = 0, to.cpu_period = 0;
  if (from.cpu_quota != 0 || from.cpu_period != 0) to.nano_cpus = 0;
  take(to.nano_cpus, from.nano_cpus);
  take(to.cpu_shares, from.cpu_shares);
  take(to.cpu_quota, from.cpu_quota);
  take(to.cpu_period, from.cpu_period);
  take(to.cpuset_cpus, from.cpuset_cpus);
  take(to.cpuset_mems, from.cpuset_mems);
  take(to.pids_limit, from.pids_limit);
  take(to.blkio_weight, from.blkio_weight);
}

}  // namespace

void LocalEngine::apply_limits(const Locked& c, const CreateRequest& request, std::vector<std::string>& warnings) {
  auto& runtime = runtime_for(request.isolation);
  oci::SpecResources limits = spec_resources(request);
  try {
    auto updated = runtime.update(read_plan(c.row.id), limits);
    write_file(run_dir(c.row.id) + "/plan", updated.plan);
    warnings.insert(warnings.end(), updated.warnings.begin(), updated.warnings.end());
  } catch (Error& e) {
    throw e.context("container " + c.row.name);
  }
}

std::vector<std::string> LocalEngine::update(const std::string& text, const UpdateRequest& request) {
  Locked c = lock_and_settle(text);
  ContainerConfig config = c.container.config;
  CreateRequest& r = config.request;
  merge(r.resources, request.resources);
  if (request.restart) r.restart = *request.restart;
  validate_limits(r.resources);
  if (r.auto_remove && !r.restart.policy.empty())
    throw error(ErrorCode::invalid_argument, "container {} goes at its end (--rm): it cannot have a restart policy",
                c.row.name)
        .with_id("E-OPTION-CONFLICT")
        .with_hint("run it again without --rm");
  std::vector<std::string> warnings;
  Status status = c.container.state.status;
  bool limits = request.resources != Resources{};
  if (limits && (is_up(status) || r.isolation == Isolation::none)) apply_limits(c, r, warnings);
  state::set_container_config(paths_, c.row.id, to_json(config));
  if (request.restart && (is_up(status) || status == Status::restarting)) {
    auto record = shim::read_restart(run_dir(c.row.id)).value_or(shim::RestartRecord{});
    leave_restart_record(config, record);
    if (request.restart->policy.empty()) end_back_off(c.row);
  }
  emit({container_event(config, "update")});
  return warnings;
}

}  // namespace servin::engine
