// SPDX-License-Identifier: Apache-2.0
// network connect, disconnect. A container's first network stands in its record (CreateRequest::network); in which
// others it is, their folders say (leases.h).
#include <algorithm>

#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "engine/local/running.h"
#include "engine/options.h"
#include "linux/net_namespace.h"
#include "os/process.h"
#include "state/container_config.h"

namespace servin::engine {
namespace {

Error no_own_network(const std::string& name, const std::string& mode) {
  return error(ErrorCode::conflict, "container {} has --network {}: it can be in no other network", name, mode)
      .with_id("E-OPTION-CONFLICT")
      .with_hint("make it with --network NAME");
}

Error membership(const std::string& what, const std::string& hint) {
  return error(ErrorCode::conflict, "{}", what).with_id("E-NETWORK-MEMBER").with_hint(hint);
}

bool has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

Fd LocalEngine::network_space(const Locked& c) {
  auto process = running_process(c.row.id, "network of");
  Fd space = kernel::open_net_namespace(fmt::format("/proc/{}/ns/net", process.pid));
  // Somebody else may have had the pid by then, and with it another namespace: the host's.
  if (!is_alive(process)) throw not_running(c.row.name);
  return space;
}

/// hosts and resolv.conf as a start would make them now.
void LocalEngine::refresh_network_files(const ContainerConfig& config) {
  Networks::Joined now = networks_.present(config);
  if (write_network_files(config, paths_.container(config.id), "", now.view)) networks_.ensure_resolver(now);
}

/// It has its place in the network already; that is given up when this fails.
void LocalEngine::connect_running(const Locked& c, const Network& network) {
  const ContainerConfig& config = c.container.config;
  Fd space;  // before the steps that use it: they run when the rest is gone
  Rollback undo;
  // An address is free only when no interface has it any more.
  undo.add([&] {
    if (!networks_.is_attached(c.row.id, network.id)) networks_.store().leases(network.id).release(c.row.id);
  });
  space = network_space(c);
  networks_.connect(space, config, network);
  undo.add([&] { write_network_files(config, paths_.container(config.id), "", networks_.present(config).view); });
  undo.add([&] { networks_.disconnect(space, c.row.id, network.id); });
  refresh_network_files(config);
  undo.commit();
}

void LocalEngine::connect_network(const std::string& text, const std::string& container, const NetworkAddress& wanted) {
  validate_endpoint(wanted, "--alias");
  Locked c = lock_and_settle(container);
  const ContainerConfig& config = c.container.config;
  Network network = networks_.store().find(text);
  if (!Networks::is_one(config.request.network)) throw no_own_network(c.row.name, config.request.network);
  if (network.built_in)
    throw error(ErrorCode::conflict, "network {} is given to a container when it is made", network.name)
        .with_id("E-NETWORK-BUILT-IN")
        .with_hint("servin run --network " + network.name);
  bool up = is_up(c.container.state.status);
  bool member = has(networks_.store().networks_of(c.row.id), network.id);
  // A command that was killed in the middle has left it half connected: it goes on.
  if (member && !(up && !networks_.is_attached(c.row.id, network.id)))
    throw membership(fmt::format("container {} is in network {} already", c.row.name, network.name),
                     "servin network inspect " + network.name);
  if (!member) networks_.enter(network, c.row.id, wanted);
  if (up) connect_running(c, network);
  emit("network", "connect", network.id, {{"container", c.row.id}, {"name", network.name}, {"type", network.driver}});
}

void LocalEngine::disconnect_network(const std::string& text, const std::string& container, bool force) {
  Locked c = lock_and_settle(container);
  ContainerConfig config = c.container.config;
  Network network = networks_.store().find(text);
  auto ids = networks_.store().networks_of(c.row.id);
  bool first = config.request.network == network.name;
  bool member = first || has(ids, network.id);
  if (!member && force) return;
  if (!Networks::is_one(config.request.network)) throw no_own_network(c.row.name, config.request.network);
  if (!member)
    throw membership(fmt::format("container {} is not in network {}", c.row.name, network.name),
                     "servin inspect -f '{{json .NetworkSettings.Networks}}' " + c.row.name);
  std::erase(ids, network.id);
  if (ids.empty() && (first || config.request.network != "bridge"))
    throw membership(fmt::format("network {} is the only one of container {}", network.name, c.row.name),
                     "connect it to another one first: servin network connect NETWORK " + c.row.name);
  bool up = is_up(c.container.state.status);
  if (up && networks_.publishes_in(c.row.id, network.id))
    throw membership(fmt::format("container {} has its published ports in network {}", c.row.name, network.name),
                     "stop it first: servin stop " + c.row.name);
  if (first) {
    // What it asked for was meant for that one; what it has in the next one stands there.
    auto next = networks_.store().read(ids.front());
    config.request.network = next ? next->name : "bridge";
    config.request.ip = config.request.ip6 = config.request.mac = "";
    config.request.network_aliases.clear();
    state::set_container_config(paths_, c.row.id, to_json(config));
  }
  if (up) networks_.disconnect(network_space(c), c.row.id, network.id);
  networks_.store().leases(network.id).release(c.row.id);
  if (up) refresh_network_files(config);
  emit("network", "disconnect", network.id,
       {{"container", c.row.id}, {"name", network.name}, {"type", network.driver}});
}

}  // namespace servin::engine
