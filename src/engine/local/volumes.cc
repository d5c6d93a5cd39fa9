// SPDX-License-Identifier: Apache-2.0
// Volumes: ROOT/volumes/NAME/_data and a row. Made at first use; the image's content is copied into a volume that is
// new (runtime::CopyUp) and the row notes that it was.
#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/volume_options.h"
#include "engine/option_error.h"
#include "image/scratch.h"

namespace servin::engine {
namespace {

void make_volume_dir(const std::string& dir) {
  make_dirs(dir.substr(0, dir.rfind('/')));
  // Docker's mode: the programs inside come as any user. The engine's root above it keeps others out.
  if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) throw_errno("make folder {}", dir);
  if (::chmod(dir.c_str(), 0755) != 0) throw_errno("set the mode of {}", dir);
}

Error exists_otherwise(const std::string& name) {
  return error(ErrorCode::already_exists, "volume {} is there already, with other options", name)
      .with_id("E-VOLUME-EXISTS")
      .with_hint("choose another name, or remove it first: servin volume rm " + name);
}

}  // namespace

state::VolumeRow LocalEngine::use_volume(const MountSpec& mount, bool anonymous) {
  const std::string& name = mount.source;
  auto row = db_.volume(name);
  if (row && !mount.volume_options.empty() && parse_map(row->options_json) != mount.volume_options)
    throw exists_otherwise(name);
  if (!row) {
    plan_volume(mount.volume_options);
    // Folder before row: a row says that its folder is there.
    make_volume_dir(volume_dir(name));
    row.emplace();
    row->name = name;
    row->driver = "local";
    row->labels_json = to_json(mount.volume_labels);
    row->options_json = to_json(mount.volume_options);
    row->anonymous = anonymous;
    row->created = now();
    if (db_.add_volume(*row))
      emit("volume", "create", name, {{"driver", "local"}});
    else
      row = db_.volume(name);
  }
  if (!path_exists(volume_dir(name))) make_volume_dir(volume_dir(name));
  return row.value_or(state::VolumeRow{});
}

void LocalEngine::mark_volumes_used(const ContainerConfig& config) {
  for (const auto& mount : config.request.mounts) {
    if (mount.type != MountSpec::Type::volume) continue;
    auto row = db_.volume(mount.source);
    if (row && !row->used) db_.mark_volume_used(mount.source);
  }
}

std::vector<std::string> LocalEngine::users_of_volume(const std::string& name) {
  std::vector<std::string> users;
  for (const auto& row : db_.containers()) {
    // A cheap look first: most records do not name it at all.
    if (row.config_json.find(name) == std::string::npos) continue;
    ContainerConfig config = load_container(row).config;
    const auto& mounts = config.request.mounts;
    bool uses = std::any_of(mounts.begin(), mounts.end(),
                            [&](const MountSpec& m) { return m.type == MountSpec::Type::volume && m.source == name; });
    if (uses) users.push_back(row.name);
  }
  return users;
}

// Data first, by rename: a row without a folder is mended by the next use, a folder without a row would be litter.
void LocalEngine::drop_volume(const std::string& name) {
  if (!release_volume(name, true))
    throw error(ErrorCode::conflict, "volume {} is mounted and in use", name)
        .with_id("E-VOLUME-IN-USE")
        .with_hint("see who works in " + volume_dir(name) + ": fuser -vm " + volume_dir(name));
  image::move_to_trash(paths_, paths_.volumes() + "/" + name);
  db_.remove_volume(name);
  emit("volume", "destroy", name, {{"driver", "local"}});
}

namespace {

Volume to_volume(const state::VolumeRow& row, std::string mountpoint) {
  Volume v;
  v.name = row.name;
  v.driver = row.driver;
  v.mountpoint = std::move(mountpoint);
  v.labels = parse_map(row.labels_json);
  v.options = parse_map(row.options_json);
  v.created = row.created;
  v.anonymous = row.anonymous;
  return v;
}

}  // namespace

Volume LocalEngine::create_volume(const Volume& request) {
  if (request.driver != "local" && !request.driver.empty())
    throw error(ErrorCode::unsupported, "volume driver {} is not there", quoted(request.driver))
        .with_id("E-NOT-BUILT")
        .with_hint("use the driver local");
  plan_volume(request.options);  // says what is wrong with them
  bool anonymous = request.name.empty();
  std::string name = anonymous ? hex(random_bytes(32)) : request.name;
  detail::check_volume_name(name, name);
  // As docker: it may be there already; but not as something else.
  if (auto known = db_.volume(name)) {
    if (parse_map(known->options_json) != request.options) throw exists_otherwise(name);
    return inspect_volume(name);
  }
  make_volume_dir(volume_dir(name));
  state::VolumeRow row;
  row.name = name;
  row.driver = "local";
  row.labels_json = to_json(request.labels);
  row.options_json = to_json(request.options);
  row.anonymous = anonymous;
  row.created = now();
  sync_path(paths_.volumes() + "/" + name);
  if (db_.add_volume(row)) emit("volume", "create", name, {{"driver", "local"}});
  return inspect_volume(name);
}

Volume LocalEngine::inspect_volume(const std::string& name) {
  auto row = db_.volume(name);
  if (row) return to_volume(*row, volume_dir(name));
  std::vector<std::string> names;
  for (const auto& v : db_.volumes()) names.push_back(v.name);
  std::string hint = did_you_mean_hint(name, names);
  throw error(ErrorCode::not_found, "no such volume: {}", printable(name))
      .with_id("E-VOLUME-NOT-FOUND")
      .with_hint(hint.empty() ? "servin volume ls lists them" : hint);
}

std::vector<Volume> LocalEngine::list_volumes(const Filters& filters) {
  sweep_what_was_left();
  check_filter_keys(filters, {"dangling", "driver", "label", "name"});
  std::vector<Volume> result;
  for (const auto& row : db_.volumes()) {
    Volume v = to_volume(row, volume_dir(row.name));
    bool wanted = true;
    for (const auto& [key, values] : filters) {
      auto any = [&](auto matches) { return std::any_of(values.begin(), values.end(), matches); };
      if (key == "label") wanted = wanted && has_labels(v.labels, values);
      if (key == "name") wanted = wanted && any([&](const std::string& p) { return matches_text(v.name, p); });
      if (key == "driver") wanted = wanted && any([&](const std::string& d) { return d == v.driver; });
      if (key == "dangling")
        wanted = wanted && any([&](const std::string& b) {
                   return parse_bool_filter(key, b) == users_of_volume(v.name).empty();
                 });
    }
    if (wanted) result.push_back(std::move(v));
  }
  return result;
}

void LocalEngine::remove_volume(const std::string& name, bool force) {
  auto row = db_.volume(name);
  if (!row && force) return;
  if (!row) inspect_volume(name);  // says what is there
  auto users = users_of_volume(name);
  if (!users.empty())
    throw error(ErrorCode::conflict, "volume {} is in use by container {}", name, join(users, ", "))
        .with_id("E-VOLUME-IN-USE")
        .with_hint("remove that first: servin rm " + users[0]);
  drop_volume(name);
  spawn_sweeper();
}

PruneResult LocalEngine::prune_volumes(bool all, const Filters& filters, bool dry_run) {
  check_filter_keys(filters, {"label", "label!", "until", "all"});
  if (auto wanted = filters.find("all"); wanted != filters.end())
    for (const auto& value : wanted->second) all = all || parse_bool_filter("all", value);
  PruneResult result;
  for (const auto& row : db_.volumes()) {
    // As docker: those that somebody named stay unless asked for.
    if (!all && !row.anonymous) continue;
    if (!matches_prune(filters, parse_map(row.labels_json), row.created)) continue;
    if (!users_of_volume(row.name).empty()) continue;
    std::uint64_t bytes = tree_size(volume_dir(row.name));
    try {
      if (!dry_run) drop_volume(row.name);
    } catch (const Error& e) {
      log::warn("{}", e.message());
      continue;
    }
    result.reclaimed += bytes;
    result.deleted.push_back(row.name);
  }
  if (!dry_run) {
    emit("volume", "prune", "", {{"reclaimed", std::to_string(result.reclaimed)}});
    spawn_sweeper();
  }
  return result;
}

}  // namespace servin::engine
