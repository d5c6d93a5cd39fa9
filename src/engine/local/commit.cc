// SPDX-License-Identifier: Apache-2.0
// diff and commit: a container's upper folder against its image.
#include "image/commit.h"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/running.h"
#include "files/changes.h"
#include "files/pack.h"
#include "image/changes.h"
#include "runtime/linux/view.h"

namespace servin::engine {
namespace {

std::string absolute(const std::string& path) { return path.starts_with("./") ? path.substr(1) : path; }

void require_layers(const std::string& name) {
  if (::geteuid() == 0) return;
  throw error(ErrorCode::permission_denied, "container {}: without root its changes are not kept apart from its image",
              name)
      .with_id("E-NOT-ROOT")
      .with_hint("run servin as root");
}

// As docker: what the container was told counts, below what --change says.
oci::ImageConfig config_of(const ContainerConfig& container, const image::Image& base, const CommitRequest& request) {
  const CreateRequest& r = container.request;
  oci::ImageConfig config = base.config;
  config.env = container.env;
  if (!r.user.empty()) config.user = r.user;
  if (!r.working_dir.empty()) config.working_dir = r.working_dir;
  if (!r.stop_signal.empty()) config.stop_signal = r.stop_signal;
  if (r.entrypoint) {
    config.entrypoint = *r.entrypoint;
    std::erase(config.entrypoint, "");
    config.cmd = r.command;
  } else if (!r.command.empty()) {
    config.cmd = r.command;
  }
  config.labels = container.labels;
  config.exposed_ports = container.exposed_ports;
  config.health = r.health;  // the image's own is in it
  for (const auto& change : request.changes) image::apply_change(config, change);
  config.created = rfc3339(now());
  config.author = request.author;
  oci::HistoryEntry line;
  line.created = config.created;
  line.created_by = join(container.args, " ");
  line.author = request.author;
  line.comment = request.message;
  config.history.push_back(std::move(line));
  return config;
}

}  // namespace

bool LocalEngine::is_launch_mount(const std::string& path) {
  static const std::vector<std::string> made = {
      "/proc", "/sys", "/dev", "/etc", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"};
  return std::find(made.begin(), made.end(), path) != made.end() || path.starts_with("/dev/");
}

std::vector<PathChange> LocalEngine::diff(const std::string& text) {
  Row row = find(text);
  require_layers(row.name);
  ContainerConfig config = load_container(row).config;
  auto root = snapshotter_.mount_of(config.id, config.chain_ids, false);
  auto below = runtime::view_layers(root.lowers, root.mount_point);
  Fd upper = open_file(root.upper, O_PATH | O_DIRECTORY);
  std::vector<PathChange> found;
  for (auto& change : files::changes(upper, below.root, is_launch_mount))
    found.push_back({static_cast<PathChange::Kind>(change.kind), std::move(change.path)});
  return found;
}

std::string LocalEngine::commit(const std::string& text, const CommitRequest& request, const ProgressSink& progress) {
  Locked c = lock_and_settle(text);
  require_layers(c.row.name);
  const ContainerConfig& config = c.container.config;
  image::Image base = images_.resolve(config.image_id);
  oci::ImageConfig made = config_of(config, base, request);
  auto root = snapshotter_.mount_of(config.id, config.chain_ids, false);
  auto below = runtime::view_layers(root.lowers, root.mount_point);
  bool freeze = request.pause && c.container.state.status == Status::running;
  Rollback thawing;
  if (freeze) {
    // The mark first: when this process is killed, whoever comes next sees that nobody holds the pause any more.
    ProcessId self = this_process();
    write_file(run_dir(c.row.id) + "/paused", fmt::format("{} {}", self.pid, self.start));
    thawing.add([&] { thaw(c.row); });
    runtime_for(config.request.isolation).pause(read_plan(c.row.id));
  }
  image::NewLayer layer;
  layer.open = [&] {
    files::PackOptions options;
    options.name = ".";
    options.layer = true;
    options.leave_out = [&](const files::Walker::Visit& v) {
      return v.depth > 0 && files::is_mere_mount_point(v, absolute(v.path), below.root, is_launch_mount);
    };
    return std::make_unique<files::PackSource>(open_file(root.upper, O_PATH | O_DIRECTORY), std::move(options));
  };
  std::optional<FileLock> held(std::move(c.lock));
  layer.taken = [&] {
    if (freeze) thaw(c.row);
    thawing.commit();
    held.reset();
  };
  image::ProgressSink sink;
  if (progress) sink = [&](const image::Progress& p) { progress({p.step, p.object, p.done, p.total, p.finished}); };
  auto loaded = image::commit(images_, base, std::move(made), request.reference, layer, c.row.name, sink);
  emit({container_event(config, "commit",
                        {{"comment", request.message}, {"imageID", loaded.id}, {"imageRef", request.reference}})});
  return loaded.id;
}

}  // namespace servin::engine
