// SPDX-License-Identifier: Apache-2.0
// network create, ls, inspect, rm, prune.
#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"

namespace servin::engine {
namespace {

bool matches_network(const Network& n, const std::string& key, const std::vector<std::string>& values) {
  auto any = [&](auto matches) { return std::any_of(values.begin(), values.end(), matches); };
  if (key == "label") return has_labels(n.labels, values);
  if (key == "name") return any([&](const std::string& v) { return matches_text(n.name, v); });
  if (key == "id") return any([&](const std::string& v) { return n.id.starts_with(v); });
  if (key == "driver") return any([&](const std::string& v) { return n.driver == v; });
  if (key == "scope") return any([&](const std::string& v) { return v == "local"; });
  if (key == "type") return any([&](const std::string& v) { return v == (n.built_in ? "builtin" : "custom"); });
  return true;
}

}  // namespace

Network LocalEngine::create_network(const NetworkRequest& request) {
  Network n = networks_.store().create(request);
  emit("network", "create", n.id, {{"name", n.name}, {"type", n.driver}});
  return n;
}

std::vector<Network> LocalEngine::list_networks(const Filters& filters) {
  check_filter_keys(filters, {"dangling", "driver", "id", "label", "name", "scope", "type"});
  networks_.store().tidy();
  std::vector<Network> all = networks_.store().built_in();
  for (auto& n : networks_.store().made()) all.push_back(std::move(n));
  std::erase_if(all, [&](const Network& n) {
    for (const auto& [key, values] : filters) {
      if (!matches_network(n, key, values)) return true;
      if (key != "dangling") continue;
      bool unused = !n.built_in && networks_.store().names_of_members(n.id).empty();
      if (std::none_of(values.begin(), values.end(),
                       [&](const std::string& v) { return parse_bool_filter("dangling", v) == unused; }))
        return true;
    }
    return false;
  });
  std::sort(all.begin(), all.end(), [](const Network& a, const Network& b) { return a.name < b.name; });
  return all;
}

Network LocalEngine::inspect_network(const std::string& text) {
  Network n = networks_.store().find(text);
  n.members = networks_.running_members(n.id);
  return n;
}

void LocalEngine::remove_network(const std::string& text, bool force) {
  Network n;
  try {
    n = networks_.store().find(text);
  } catch (const Error& e) {
    if (e.id() != "E-NETWORK-NOT-FOUND") throw;
    auto damaged = networks_.store().find_damaged(text);
    if (!damaged && force) return;
    if (!damaged) throw;
    n = *damaged;
  }
  if (n.built_in)
    throw error(ErrorCode::conflict, "network {} is always there and cannot be removed", n.name)
        .with_id("E-NETWORK-BUILT-IN")
        .with_hint("servin network ls --filter type=custom lists those that can");
  settle_members(n.id);
  networks_.remove(n);
  emit("network", "destroy", n.id, {{"name", n.name}, {"type", n.driver}});
}

/// Of a container whose command was killed in the middle nobody else may know yet that it is gone.
void LocalEngine::settle_members(const std::string& network_id) {
  for (const auto& id : networks_.store().leases(network_id).members()) {
    auto row = db_.container(id);
    ContainerState state;
    if (row) settle_if_needed(*row, state);
  }
}

PruneResult LocalEngine::prune_networks(const Filters& filters, bool dry_run) {
  check_filter_keys(filters, {"label", "label!", "until"});
  networks_.store().tidy();
  PruneResult result;
  for (const auto& n : networks_.store().made()) {
    if (!matches_prune(filters, n.labels, n.created)) continue;
    settle_members(n.id);
    if (!networks_.store().names_of_members(n.id).empty()) continue;
    try {
      if (!dry_run) {
        networks_.remove(n);
        emit("network", "destroy", n.id, {{"name", n.name}, {"type", n.driver}});
      }
    } catch (const Error& e) {
      log::warn("network {}: {}", n.name, e.message());
      continue;
    }
    result.deleted.push_back(n.name);
  }
  if (!dry_run) emit("network", "prune", "", {{"reclaimed", "0"}});
  return result;
}

}  // namespace servin::engine
