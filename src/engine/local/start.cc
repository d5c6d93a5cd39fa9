// SPDX-License-Identifier: Apache-2.0
// run, start, attach: from a complete record to a running shim. The foreground path syncs nothing: a `run -d`
// container gets its durable record by the hidden verb that the shim starts.
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/attachment.h"
#include "engine/local/health_state.h"
#include "engine/local/log_config.h"
#include "engine/local/making.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "image/full_disk.h"
#include "os/journal.h"
#include "os/process.h"
#include "runtime/host/host_runtime.h"
#include "runtime/linux/namespace_runtime.h"
#include "shim/client/protocol.h"
#include "shim/client/restart.h"

namespace servin::engine {
namespace {

/// Nothing of it is left that its record would be needed for.
bool ends_with_its_command(const ContainerConfig& config, const AttachRequest* attach) {
  const CreateRequest& r = config.request;
  return attach != nullptr && r.auto_remove && r.isolation == Isolation::namespaces &&
         config.anonymous_volumes.empty() && !r.network.starts_with("container:");
}

void put_ports(const Networks::Joined& network, shim::SpawnRequest& spawn) {
  for (const auto& h : network.attached.held) {
    spawn.port_sockets.push_back(&h.socket);
    bool carried = h.protocol != network::Protocol::sctp;
    spawn.port_targets.push_back(
        carried ? fmt::format("{} {} {}", network::protocol_name(h.protocol), h.target.text(), h.target_port) : "");
  }
}

/// As docker: not found, not executable, or the engine's own failure.
int start_exit_code(const Error& e) {
  return e.id() == "E-COMMAND-NOT-FOUND" ? 127 : e.id() == "E-COMMAND-NOT-EXECUTABLE" ? 126 : 128;
}

}  // namespace

runtime::Runtime& LocalEngine::runtime_for(Isolation isolation) {
  switch (isolation) {
    case Isolation::namespaces:
      if (!namespaces_) namespaces_ = runtime::make_namespace_runtime(paths_.root + "/cache");
      return *namespaces_;
    case Isolation::none:
      if (!host_) host_ = std::make_unique<runtime::HostRuntime>();
      return *host_;
    case Isolation::vm:
      break;
  }
  throw Error(ErrorCode::unsupported, "isolation vm is not built yet: one small virtual machine per container")
      .with_id("E-NOT-BUILT")
      .with_hint("use --isolation namespace");
}

std::vector<std::string> LocalEngine::hidden_verb(const std::string& verb, const std::string& id) const {
  std::vector<std::string> args = {self_program()};
  // The default root has its run folder elsewhere; every other root has it inside.
  if (paths_.run == paths_.root + "/run") args.insert(args.end(), {"--root", paths_.root});
  args.push_back(verb);
  if (!id.empty()) args.push_back(id);
  return args;
}

void LocalEngine::spawn_sweeper() {
  if (sweeps_) return;
  SpawnOptions options;
  options.args = hidden_verb("__cleanup", "");
  options.program = options.args[0];
  options.new_session = true;
  try {
    spawn(options);
  } catch (const Error& e) {
    // What was asked for has been done; a limit on processes must not turn that into a failure.
    log::debug("start a sweeper: {}", e.what());
    sweep();
  }
}

std::unique_ptr<Attachment> LocalEngine::launch(const ContainerConfig& config, const AttachRequest* attach,
                                                std::string news, std::vector<std::string>& warnings) try {
  const CreateRequest& r = config.request;
  auto root = snapshotter_.mount_of(config.id, config.chain_ids, r.auto_remove);
  Rollback undo;
  undo.add([this] { release_volumes(); });
  auto volumes = mount_volumes(config);
  std::optional<Networks::Joined> network;
  if (Networks::is_one(r.network)) {
    undo.add([&] {
      networks_.leave(config.id);
      if (networks_.has_unused()) spawn_sweeper();
    });
    network = networks_.join(config);
  }
  auto prepared = runtime_for(r.isolation).prepare(prepare_request(config, root, network ? &*network : nullptr));
  warnings.insert(warnings.end(), prepared.warnings.begin(), prepared.warnings.end());
  shim::SpawnRequest spawn;
  spawn.id = config.id;
  spawn.run_dir = run_dir(config.id);
  spawn.plan = std::move(prepared.plan);
  spawn.host_runtime = r.isolation == Isolation::none;
  spawn.open_stdin = r.open_stdin;
  spawn.terminal = r.tty;
  spawn.log = log_config(config, log_path(config.id));
  spawn.attached = attach != nullptr;
  spawn.attach_stdin = attach != nullptr && attach->stdin_;
  spawn.attach_out = attach != nullptr && attach->out;
  spawn.attach_err = attach != nullptr && attach->err;
  if (attach != nullptr) spawn.rows = attach->rows;
  if (attach != nullptr) spawn.columns = attach->columns;
  std::string members = event_members(container_event(config, "").attributes);
  spawn.events.path = paths_.events();
  spawn.events.before = std::move(news);
  if (attach != nullptr) spawn.events.before += event_line(now(), "container", "attach", config.id, members);
  spawn.events.members = members;
  if (network) put_ports(*network, spawn);
  spawn.after_exit = hidden_verb("__cleanup", config.id);
  if (has_health_check(r.health)) {
    spawn.health = health_times(r.health);
    spawn.health.verb = hidden_verb("__health", config.id);
  }
  if (!r.auto_remove) spawn.after_start = hidden_verb("__persist", config.id);
  bool short_way = ends_with_its_command(config, attach);
  if (short_way) spawn.release_dir = paths_.container(config.id);
  spawn.release_by_verb = network || !volumes.empty();
  auto client = [&] {
    try {
      return shim::Client::spawn(spawn);
    } catch (const Error&) {
      // A shim that reports a failure has undone what it did; one that was killed has not.
      end_leftovers(config.id, r.isolation);
      throw;
    }
  }();
  undo.commit();
  mark_volumes_used(config);
  if (attach == nullptr) return nullptr;
  if (!short_way) {
    auto attachment = std::make_unique<ShimAttachment>(std::move(client));
    if (!r.restart.policy.empty()) attachment->mark_stopped_by(run_dir(config.id) + "/" + shim::stopped_name);
    return attachment;
  }
  return std::make_unique<ShimAttachment>(std::move(client), [this, id = config.id, members] {
    if (!drop_record(id)) return false;
    std::string present = read_file(run_dir(id) + "/" + std::string(shim::event_members_name)).value_or(members);
    append_lines(paths_.events(), event_line(now(), "container", "destroy", id, present));
    return true;
  });
} catch (Error& e) {
  image::explain_full_disk(e, "start container " + config.request.name, paths_);
  throw;
}

// The short way out of a foreground --rm container: the command that waits for the end has the database open, so it
// takes the record away, and the shim, which is there anyway, the rest; networks and mounted volumes are for a program
// that the shim starts, after the caller has its answer. Otherwise that program does all of it; it still does when this
// command is killed at any moment. Not while somebody else is at the container: a restart holds its lock from the stop
// to the start.
bool LocalEngine::drop_record(const std::string& id) {
  try {
    auto held = FileLock::try_acquire(run_dir(id) + "/lock");
    auto row = held ? db_.container(id) : std::nullopt;
    // What the disk knows of goes with a sweep, which the short way has none of.
    if (!row || row->durable || observe(*row).status != Status::exited) return false;
    db_.remove_container(id);
    return true;
  } catch (const Error& e) {
    log::debug("container {}: {}", id, e.what());
    return false;
  }
}

std::unique_ptr<Attachment> LocalEngine::run(const CreateRequest& request, const AttachRequest* attach,
                                             Created& created) {
  Making making = make(request, false);
  created.id = making.config.id;
  std::string news = event_line(container_event(making.config, "create"));
  try {
    leave_restart_record(making.config, {});
    auto attachment = launch(making.config, attach, news, created.warnings);
    making.undo->commit();
    return attachment;
  } catch (const Error& e) {
    news += event_line(container_event(making.config, "die", {{"exitCode", std::to_string(start_exit_code(e))}}));
    if (request.auto_remove) news += event_line(container_event(making.config, "destroy"));
    append_lines(paths_.events(), news);
    if (request.auto_remove) throw;
    // As docker does: the container stays, with the reason, for a look and for another start.
    making.undo->commit();
    ContainerState state;
    state.exit_code = start_exit_code(e);
    state.error = e.message();
    db_.set_last_state(created.id, to_json(state));
    db_.complete_container(created.id);
    db_.persist_container(created.id);
    throw;
  }
}

std::unique_ptr<Attachment> LocalEngine::start(const std::string& text, const AttachRequest* attach) {
  Locked c = lock_and_settle(text);
  return start_locked(c, attach);
}

std::unique_ptr<Attachment> LocalEngine::start_locked(Locked& c, const AttachRequest* attach) {
  if (c.container.state.status == Status::paused) throw is_paused(c.row.name);
  if (c.container.state.status == Status::running) {
    if (attach == nullptr) return nullptr;
    return this->attach(c.row.id, *attach);
  }
  if (c.container.state.status == Status::restarting) {
    end_back_off(c.row);
    c.container.state = observe(c.row = db_.container(c.row.id).value_or(c.row));
  }
  if (!db_.has_image(c.container.config.image_id)) log::debug("the image of {} has no name any more", c.row.name);
  // A row that still names its maker, without a state and a status, would read as a create that was killed.
  if (!c.row.creator.empty()) db_.complete_container(c.row.id);
  // From now on the shim's status file tells; until it is there, an earlier end stays known. Only in run.db: the hidden
  // verb after the start makes it durable.
  ContainerState earlier = c.container.state;
  bool has_ended = earlier.status == Status::exited;
  earlier.status = Status::running;
  db_.set_last_state(c.row.id, has_ended ? to_json(earlier) : "", false);
  ::unlink((run_dir(c.row.id) + "/status").c_str());
  clear_marks(c.row.id);
  leave_restart_record(c.container.config, {});
  c.container.state.restarts = 0;
  return launch_again(c, attach);
}

std::unique_ptr<Attachment> LocalEngine::launch_again(Locked& c, const AttachRequest* attach) {
  std::vector<std::string> warnings;
  try {
    auto attachment = launch(c.container.config, attach, "", warnings);
    for (const auto& warning : warnings) log::warn("{}", warning);
    return attachment;
  } catch (const Error& e) {
    ContainerState failed = c.container.state;
    failed.exit_code = start_exit_code(e);
    failed.error = e.message();
    emit({container_event(c.container.config, "die", {{"exitCode", std::to_string(failed.exit_code)}})});
    db_.set_last_state(c.row.id, to_json(failed));
    throw;
  }
}

std::unique_ptr<Attachment> LocalEngine::attach(const std::string& text, const AttachRequest& request) {
  Row row = find(text);
  ContainerState state;
  if (!settle_if_needed(row, state)) throw no_such_container(text);
  require_running(row.name, state.status, "start --attach");
  auto client = shim::Client::connect(run_dir(row.id), request.stdin_, request.out, request.err);
  emit(row, "attach");
  auto attachment = std::make_unique<ShimAttachment>(std::move(client));
  if (path_exists(run_dir(row.id) + "/" + shim::restart_name))
    attachment->mark_stopped_by(run_dir(row.id) + "/" + shim::stopped_name);
  if (request.logs) {
    logs(row.id, LogRequest{}, [&](const LogLine& line) {
      bool is_err = line.stream == LogLine::Stream::err;
      attachment->put_first({is_err ? Attachment::Kind::err : Attachment::Kind::out, line.text, {}});
      return true;
    });
  }
  return attachment;
}

}  // namespace servin::engine
