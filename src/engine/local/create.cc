// SPDX-License-Identifier: Apache-2.0
// create: request + image -> ContainerConfig, the claim of its name, its folders.
#include <algorithm>
#include <set>
#include <unistd.h>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/health_state.h"
#include "engine/local/log_config.h"
#include "engine/local/making.h"
#include "engine/local/records.h"
#include "engine/option_error.h"
#include "engine/options.h"
#include "image/full_disk.h"
#include "os/process.h"

namespace servin::engine {
namespace {

std::string this_creator() {
  ProcessId self = this_process();
  return fmt::format("{} {}", self.pid, self.start);
}

std::string_view key_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

// Later ones win, places stay.
std::vector<std::string> merge_env(const std::vector<std::string>& image, const std::vector<std::string>& request) {
  std::vector<std::string> env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  auto set = [&](const std::string& variable) {
    auto same = [&](const std::string& e) { return key_of(e) == key_of(variable); };
    auto found = std::find_if(env.begin(), env.end(), same);
    if (found != env.end())
      *found = variable;
    else
      env.push_back(variable);
  };
  for (const auto& variable : image) set(variable);
  for (const auto& variable : request) set(variable);
  return env;
}

bool has_env(const std::vector<std::string>& env, std::string_view key) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& e) { return key_of(e) == key; });
}

// Docker's rule: an --entrypoint of one's own drops the image's Cmd too.
std::vector<std::string> settle_args(const CreateRequest& request, const oci::ImageConfig& image) {
  std::vector<std::string> args;
  if (request.entrypoint) {
    for (const auto& word : *request.entrypoint)
      if (!word.empty() || !args.empty()) args.push_back(word);
  } else {
    args = image.entrypoint;
  }
  const auto& rest = !request.command.empty() || request.entrypoint ? request.command : image.cmd;
  args.insert(args.end(), rest.begin(), rest.end());
  if (args.empty())
    throw error(ErrorCode::invalid_argument, "image {} has no command of its own", request.image)
        .with_id("E-NO-COMMAND")
        .with_hint("give one: servin run " + request.image + " COMMAND");
  return args;
}

// A word in the image that is no signal must not make a container that cannot be stopped.
std::string image_stop_signal(const oci::ImageConfig& image) {
  if (image.stop_signal.empty()) return "SIGTERM";
  try {
    return signal_name(parse_signal(image.stop_signal));
  } catch (const Error&) {
    log::warn("the image's stop signal {} is none: SIGTERM is used", quoted(image.stop_signal));
    return "SIGTERM";
  }
}

// After names were found for ids: two words may mean one network, and a second lease there would be nobody's.
void refuse_network_twice(const CreateRequest& request) {
  std::set<std::string> seen = {request.network};
  for (const auto& other : request.more_networks)
    if (!seen.insert(other).second)
      throw error(ErrorCode::invalid_argument, "network {} is given twice", other)
          .with_id("E-OPTION-CONFLICT")
          .with_hint("give --network " + other + " once");
}

// What cannot have an effect is said; an error would refuse what docker takes.
void warn_of_idle_options(const CreateRequest& r) {
  bool own_shm = r.ipc_mode.empty() || r.ipc_mode == "private" || r.ipc_mode == "shareable";
  if (!own_shm && r.shm_size != CreateRequest{}.shm_size)
    log::warn("--shm-size has no effect with --ipc {}: the container has no /dev/shm of its own", r.ipc_mode);
}

}  // namespace

ContainerConfig LocalEngine::settle_config(const CreateRequest& request, const image::Image& image) {
  ContainerConfig c;
  c.id = new_id();
  c.request = request;
  // By its name from now on: it may have been written as the beginning of an id.
  if (Networks::is_one(request.network) && request.network != "bridge")
    c.request.network = networks_.store().find(request.network).name;
  for (auto& other : c.request.more_networks) other = networks_.store().find(other).name;
  refuse_network_twice(c.request);
  c.image_id = image.id;
  c.image_name = request.image;
  c.args = settle_args(request, image.config);
  c.env = merge_env(image.config.env, request.env);
  c.stop_signal = !request.stop_signal.empty() ? request.stop_signal : image_stop_signal(image.config);
  if (c.request.working_dir.empty()) c.request.working_dir = image.config.working_dir;
  if (c.request.working_dir.empty()) c.request.working_dir = "/";
  if (c.request.isolation == Isolation::none && ::geteuid() != 0 && !c.request.user.empty())
    throw error(ErrorCode::unsupported, "user {} cannot be had without root", quoted(c.request.user))
        .with_id("E-NO-ISOLATION")
        .with_hint("leave --user out: the program runs as yourself");
  if (c.request.user.empty()) c.request.user = image.config.user;
  c.request.health = settle_health(request.health, oci::parse_health_check(image.config_json));
  bool own_name = c.request.hostname.empty() && c.request.uts_mode != "host" && request.network != "host" &&
                  !request.network.starts_with("container:");
  if (own_name) c.request.hostname = short_id(c.id);
  if (request.tty && !has_env(c.env, "TERM")) c.env.push_back("TERM=xterm");
  if (!c.request.hostname.empty() && !has_env(c.env, "HOSTNAME")) c.env.push_back("HOSTNAME=" + c.request.hostname);
  c.labels = image.config.labels;
  for (const auto& [key, value] : request.labels) c.labels[key] = value;
  for (const auto& digest : image.chain) c.chain_ids.push_back(digest.hex());
  c.exposed_ports = image.config.exposed_ports;
  for (const auto& text : request.expose)
    for (auto& port : parse_expose(text))
      if (std::find(c.exposed_ports.begin(), c.exposed_ports.end(), port) == c.exposed_ports.end())
        c.exposed_ports.push_back(std::move(port));
  c.created = now();
  return c;
}

// An image's VOLUME is a volume of its own for each container, unless the person mounts something there.
void LocalEngine::take_image_volumes(ContainerConfig& config, const image::Image& image) {
  for (const auto& written : image.config.volumes) {
    if (written.empty() || written[0] != '/') continue;
    std::string path = detail::clean_path(written);
    auto& mounts = config.request.mounts;
    bool covered = std::any_of(mounts.begin(), mounts.end(), [&](const MountSpec& m) { return m.target == path; });
    if (covered || path == "/") continue;
    MountSpec mount;
    mount.type = MountSpec::Type::volume;
    mount.target = path;
    mounts.push_back(std::move(mount));
  }
}

void LocalEngine::take_volumes_from(ContainerConfig& config) {
  for (const auto& text : config.request.volumes_from) {
    auto pair = split_once(text, ':');
    bool read_only = false;
    for (const auto& mode : split(pair ? pair->second : "rw", ',')) {
      if (mode != "ro" && mode != "rw" && mode != "z" && mode != "Z")
        throw error(ErrorCode::invalid_argument, "--volumes-from {}: {} is not ro or rw", quoted(text), quoted(mode))
            .with_id("E-OPTION-VALUE")
            .with_hint("for example --volumes-from data:ro");
      read_only = read_only || mode == "ro";
    }
    Container other = load_container(find(pair ? pair->first : text));
    for (MountSpec mount : other.config.request.mounts) {
      if (mount.type != MountSpec::Type::bind && mount.type != MountSpec::Type::volume) continue;
      auto& mine = config.request.mounts;
      if (std::any_of(mine.begin(), mine.end(), [&](const MountSpec& m) { return m.target == mount.target; })) continue;
      mount.read_only = mount.read_only || read_only;
      mine.push_back(std::move(mount));
    }
  }
}

void LocalEngine::settle_image_mounts(ContainerConfig& config) {
  for (auto& mount : config.request.mounts) {
    if (mount.type != MountSpec::Type::image) continue;
    image::Image image = images_.resolve(mount.source, config.request.platform);
    mount.image_id = image.id;
    mount.layers.clear();
    for (const auto& digest : image.chain) mount.layers.push_back(digest.hex());
  }
}

// Takes id and name. A holder that was left behind by a killed command gives its name up.
void LocalEngine::claim(Making& making, bool durable) {
  auto& name = making.config.request.name;
  bool random = name.empty();
  Row row;
  row.id = making.config.id;
  row.image_id = making.config.image_id;
  row.created = making.config.created;
  row.auto_remove = making.config.request.auto_remove;
  row.creator = this_creator();
  row.config_json = to_json(making.config);
  row.durable = durable;
  for (unsigned attempt = 0;; ++attempt) {
    if (random) name = random_name(attempt);
    row.name = name;
    try {
      db_.add_container(row);
      return;
    } catch (const Error& e) {
      if (e.id() != "E-NAME-TAKEN" || attempt > 50) throw;
      if (random) continue;
      auto holder = db_.container_by_name(name);
      ContainerState state;
      if (holder && (attempt > 0 || settle_if_needed(*holder, state))) throw;
    }
  }
}

LocalEngine::Making LocalEngine::make(const CreateRequest& request, bool durable) try {
  validate(request);
  image::Image image = images_.resolve(request.image, request.platform);
  Making making;
  ContainerConfig& config = making.config = settle_config(request, image);
  warn_of_idle_options(request);
  take_volumes_from(config);
  take_image_volumes(config, image);
  settle_image_mounts(config);
  runtime_for(config.request.isolation);  // says at once what this host cannot do
  for (auto& mount : config.request.mounts) {
    if (mount.type != MountSpec::Type::volume || !mount.source.empty()) continue;
    mount.source = hex(random_bytes(32));
    config.anonymous_volumes.push_back(mount.source);
  }
  claim(making, durable);
  making.undo->add([this, id = config.id] {
    remove_tree(run_dir(id));
    db_.remove_container(id);
    db_.forget_removed();  // nobody sweeps after a create
  });
  const std::string& driver = config.request.log_driver;
  if (driver == "journald" || driver == "syslog") log_tag(config);  // throws now and not at the first start
  making.undo->add([this, id = config.id] { networks_.forget(id); });
  networks_.enter(config);
  if (!db_.has_image(config.image_id))
    throw error(ErrorCode::not_found, "image {} was removed meanwhile", request.image).with_id("E-IMAGE-NOT-FOUND");
  for (const auto& mount : config.request.mounts) {
    if (mount.type != MountSpec::Type::volume) continue;
    bool anonymous = std::count(config.anonymous_volumes.begin(), config.anonymous_volumes.end(), mount.source) > 0;
    use_volume(mount, anonymous);
    if (anonymous) making.undo->add([this, name = mount.source] { drop_volume(name); });
  }
  for (const auto& mount : config.request.mounts)
    if (mount.type == MountSpec::Type::image && !db_.has_image(mount.image_id))
      throw error(ErrorCode::not_found, "image {} was removed meanwhile", mount.source).with_id("E-IMAGE-NOT-FOUND");
  making.root = snapshotter_.prepare(config.id, config.chain_ids, config.request.auto_remove);
  making.undo->add([this, id = config.id] { snapshotter_.discard(id); });
  make_dirs(run_dir(config.id));
  return making;
} catch (Error& e) {
  image::explain_full_disk(e, "create a container of " + request.image, paths_);
  throw;
}

Engine::Created LocalEngine::create(const CreateRequest& request) {
  images_.sweep();
  Making making = make(request, true);
  // Bad sources, capabilities and limits are told now and not at the first start.
  auto prepared =
      runtime_for(making.config.request.isolation).prepare(prepare_request(making.config, making.root, nullptr));
  sync_path(paths_.container(making.config.id));
  db_.complete_container(making.config.id);
  making.undo->commit();
  emit({container_event(making.config, "create")});
  return {making.config.id, std::move(prepared.warnings)};
}

}  // namespace servin::engine
