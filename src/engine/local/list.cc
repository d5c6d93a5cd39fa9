// SPDX-License-Identifier: Apache-2.0
// ps and its filters; inspect and size.
#include <algorithm>

#include "base/id.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "shim/client/restart.h"

namespace servin::engine {
namespace {

using Values = std::vector<std::string>;

const Values& known_filters() {
  static const Values keys = {"id",     "name",   "label",  "status",  "ancestor", "before", "since",
                              "exited", "volume", "health", "network", "is-task",  "expose", "publish"};
  return keys;
}

template <typename F>
bool any(const Values& values, F matches) {
  return std::any_of(values.begin(), values.end(), matches);
}

Status parse_status(const std::string& text) {
  std::vector<std::string> known;
  for (Status s : {Status::created, Status::running, Status::paused, Status::exited, Status::removing, Status::dead,
                   Status::restarting}) {
    if (text == to_string(s)) return s;
    known.emplace_back(to_string(s));
  }
  std::string hint = did_you_mean_hint(text, known);
  throw error(ErrorCode::invalid_argument, "filter status={}: no such status", printable(text))
      .with_id("E-OPTION-VALUE")
      .with_hint(hint.empty() ? "known: " + join(known, " ") : hint);
}

int parse_exit(const std::string& text) {
  auto code = parse_u64(text);
  if (!code || *code > 255)
    throw error(ErrorCode::invalid_argument, "filter exited={}: not an exit code", printable(text))
        .with_id("E-OPTION-VALUE")
        .with_hint("give a number from 0 to 255");
  return static_cast<int>(*code);
}

bool has_port(const ContainerConfig& config, const std::string& text) {
  std::string wanted = text.find('/') == std::string::npos ? text + "/tcp" : text;
  return any(config.exposed_ports, [&](const std::string& port) { return port == wanted; });
}

bool has_volume(const ContainerConfig& config, const std::string& text) {
  const auto& mounts = config.request.mounts;
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountSpec& m) { return m.source == text || m.target == text; });
}

bool is_of_network(const Container& c, const std::string& text) {
  auto is_it = [&](const NetworkAddress& n) {
    return n.network == text || (is_id_prefix(text) && n.network_id.starts_with(text));
  };
  return c.config.request.network == text || std::any_of(c.networks.begin(), c.networks.end(), is_it);
}

std::string with_tag(const std::string& name) {
  auto slash = name.find_last_of('/');
  bool tagged = name.find_first_of(":@", slash == std::string::npos ? 0 : slash) != std::string::npos;
  return tagged ? name : name + ":latest";
}

bool is_of_image(const ContainerConfig& config, const std::string& text) {
  std::string hex = text.starts_with("sha256:") ? text.substr(7) : text;
  bool id = hex.size() >= 4 && std::string_view(config.image_id).substr(7).starts_with(hex);
  if (id || with_tag(config.image_name) == with_tag(text)) return true;
  try {
    return oci::Reference::parse(config.image_name).str() == oci::Reference::parse(text).str();
  } catch (const Error&) {
    return false;
  }
}

bool publishes(const Container& c, const std::string& wanted) {
  return std::any_of(c.ports.begin(), c.ports.end(), [&](const PortSpec& p) {
    std::string inside = std::to_string(p.container_port);
    return wanted == inside || wanted == inside + "/" + p.protocol;
  });
}

bool matches_one(const Container& c, const std::string& key, const Values& values) {
  const ContainerConfig& config = c.config;
  if (key == "id") return any(values, [&](const std::string& v) { return config.id.starts_with(v); });
  if (key == "name") return any(values, [&](const std::string& v) { return matches_text(c.name(), v); });
  if (key == "label") return has_labels(config.labels, values);
  if (key == "status") return any(values, [&](const std::string& v) { return parse_status(v) == c.state.status; });
  if (key == "ancestor") return any(values, [&](const std::string& v) { return is_of_image(config, v); });
  if (key == "volume") return any(values, [&](const std::string& v) { return has_volume(config, v); });
  if (key == "network") return any(values, [&](const std::string& v) { return is_of_network(c, v); });
  if (key == "health")
    return any(values, [&](const std::string& v) { return v == (c.state.health.empty() ? "none" : c.state.health); });
  if (key == "is-task") return any(values, [&](const std::string& v) { return !parse_bool_filter(key, v); });
  if (key == "expose") return any(values, [&](const std::string& v) { return has_port(config, v); });
  if (key == "publish") return any(values, [&](const std::string& v) { return publishes(c, v); });
  if (key == "exited")
    return any(values, [&](const std::string& v) {
      return parse_exit(v) == c.state.exit_code && c.state.status == Status::exited;
    });
  return true;
}

}  // namespace

bool LocalEngine::matches(const Container& container, const Filters& filters) {
  return std::all_of(filters.begin(), filters.end(),
                     [&](const auto& filter) { return matches_one(container, filter.first, filter.second); });
}

std::vector<Container> LocalEngine::list(const ContainerFilter& filter) {
  check_filter_keys(filter.filters, known_filters());
  Filters filters = filter.filters;
  std::vector<Row> rows = db_.containers();
  sweep_what_was_left(rows.size());
  auto created = [&](const std::string& name) { return find(name).created; };
  // before and since name another container.
  if (auto before = filters.find("before"); before != filters.end())
    for (const auto& name : before->second)
      std::erase_if(rows, [t = created(name)](const Row& r) { return r.created >= t; });
  if (auto since = filters.find("since"); since != filters.end())
    for (const auto& name : since->second)
      std::erase_if(rows, [t = created(name)](const Row& r) { return r.created <= t; });
  bool all = filter.all || filter.last > 0 || filters.count("status") > 0 || filters.count("exited") > 0;
  std::vector<Container> result;
  for (const auto& row : rows) {
    if (filter.last > 0 && result.size() >= static_cast<std::size_t>(filter.last)) break;
    try {
      ContainerState state;
      if (!settle_if_needed(row, state)) continue;
      if (!all && !is_up(state.status) && state.status != Status::restarting) continue;
      Container container = load_container(row);
      container.state = std::move(state);
      load_networks(container);
      fill_health(container.config, container.state);
      if (matches(container, filters)) result.push_back(std::move(container));
    } catch (const Error& e) {
      if (e.code() == ErrorCode::invalid_argument) throw;  // of a filter
      log::warn("container {}: {}", row.name, e.what());
    }
  }
  return result;
}

std::vector<ContainerName> LocalEngine::container_names(bool running_only) {
  std::vector<ContainerName> names;
  for (auto& row : db_.container_heads()) {
    Status status = observe(row).status;
    bool up = is_up(status) || status == Status::restarting;
    // A --rm container that has ended goes with the next command.
    if (running_only ? up : up || !row.auto_remove) names.push_back({std::move(row.name), status});
  }
  return names;
}

Container LocalEngine::inspect(const std::string& text) {
  Row row = find(text);
  ContainerState state;
  if (!settle_if_needed(row, state)) throw no_such_container(text);
  Container container = load_container(row);
  container.state = std::move(state);
  load_networks(container);
  // One that does not run is shown in the networks that it will be in.
  if (container.networks.empty() && Networks::is_one(container.config.request.network))
    container.networks = networks_.places(container.config.id);
  fill_health(container.config, container.state);
  if (container.state.status == Status::exited) return container;
  if (auto restart = shim::read_restart(run_dir(row.id))) container.state.restarts = restart->count;
  return container;
}

ContainerSize LocalEngine::size(const std::string& text) {
  Container container = inspect(text);
  ContainerSize size;
  size.writable = tree_size(paths_.container(container.config.id) + "/upper");
  size.virtual_ = size.writable;
  for (const auto& chain : container.config.chain_ids) {
    auto digest = oci::Digest::from_hex(chain);
    if (snapshotter_.has(digest)) size.virtual_ += snapshotter_.size(digest);
  }
  return size;
}

}  // namespace servin::engine
