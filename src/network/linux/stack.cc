// SPDX-License-Identifier: Apache-2.0
#include "network/linux/stack.h"

#include <algorithm>
#include <unistd.h>

#include "base/error.h"
#include "base/rollback.h"
#include "linux/net_namespace.h"
#include "network/linux/conntrack.h"
#include "network/linux/foreign.h"
#include "network/linux/host_settings.h"
#include "network/linux/links.h"
#include "network/linux/ports.h"
#include "network/linux/stack_kernel.h"
#include "os/file.h"

namespace servin::network {
namespace {

const NetworkConfig& need_network(const std::vector<NetworkConfig>& networks, const std::string& id) {
  const NetworkConfig* n = find_network(networks, id);
  if (n == nullptr) throw error(ErrorCode::internal, "network {} is not known", id.substr(0, 12));
  return *n;
}

Error nowhere_to_publish(const PortMapping& port) {
  return error(ErrorCode::invalid_argument, "publish {}: no bridge network of the container leads out", port.text())
      .with_hint("add --network bridge, or a network that is neither internal nor macvlan or ipvlan");
}

}  // namespace

NetworkStack::NetworkStack(StackConfig config)
    : config_(std::move(config)), kernel_(std::make_unique<Kernel>(config_)) {}
NetworkStack::~NetworkStack() = default;

Fd NetworkStack::create_namespace() { return kernel::make_net_namespace(); }

void NetworkStack::ensure_network(const NetworkConfig& network) {
  FileLock lock = kernel_->lock();
  kernel_->ensure_links(network);
  if (network.driver != Driver::bridge) return;
  kernel_->add_elements(bridge_elements(kernel_->names, network, 0));
  allow_in_foreign_tables(kernel_->nft, kernel_->mark(), kernel_->foreign_links({network}));
}

Attached NetworkStack::attach(const Fd& space, const ContainerNetworkPlan& plan,
                              const std::vector<NetworkConfig>& networks) {
  const Endpoint* leader = leading_endpoint(plan, networks);
  bool can_publish = leader != nullptr && need_network(networks, leader->network_id).driver == Driver::bridge;
  if (!plan.ports.empty() && !can_publish) throw nowhere_to_publish(plan.ports.front());
  Attached result;
  if (!plan.ports.empty()) result = hold_ports(plan.ports, *leader);
  Attachment record{plan, networks};
  record.plan.ports = result.ports;

  FileLock lock = kernel_->lock();
  Rollback undo;
  write_file(kernel_->record(plan.container_id), record.encode());
  undo.add([&] { remove_tree(kernel_->record(plan.container_id)); });
  std::vector<EndpointPlan> endpoints;
  for (const auto& e : plan.endpoints) {
    const NetworkConfig& network = need_network(networks, e.network_id);
    endpoints.push_back(plan_endpoint(kernel_->names, network, plan.container_id, e, &e == leader));
    kernel_->add_endpoint(space, network, endpoints.back(), plan.container_id, undo);
  }
  kernel_->configure(space, endpoints);
  auto elements = container_elements(kernel_->names, record);
  undo.add([this, elements] { kernel_->table.remove(Kernel::ports_of(elements)); });
  kernel_->add_elements(elements);
  allow_in_foreign_tables(kernel_->nft, kernel_->mark(), kernel_->foreign_links(networks));
  forget_connections(result.ports);
  undo.commit();
  return result;
}

void NetworkStack::connect(const Fd& space, const std::string& container_id, const Endpoint& endpoint,
                           const NetworkConfig& network) {
  FileLock lock = kernel_->lock();
  Attachment record = kernel_->load(container_id).value_or(Attachment{{container_id, {}, {}}, {}});
  const Endpoint* leader = leading_endpoint(record.plan, record.networks);
  bool leads = leader == nullptr && !network.internal;
  EndpointPlan plan = plan_endpoint(kernel_->names, network, container_id, endpoint, leads);
  auto before = record;
  Rollback undo;
  record.plan.endpoints.push_back(endpoint);
  // As it is now: since the container was in it, its subnet may have become another one.
  std::erase_if(record.networks, [&](const NetworkConfig& n) { return n.id == network.id; });
  record.networks.push_back(network);
  write_file(kernel_->record(container_id), record.encode());
  undo.add([&] { write_file(kernel_->record(container_id), before.encode()); });
  kernel_->add_endpoint(space, network, plan, container_id, undo);
  // macvlan, ipvlan: no end outside takes this one with it, and the container's namespace stays.
  if (network.driver != Driver::bridge)
    undo.add([&] { kernel::in_net_namespace(space, [&] { Links().remove(plan.interface); }); });
  kernel_->configure(space, {plan});
  kernel_->add_elements(container_elements(kernel_->names, record));
  allow_in_foreign_tables(kernel_->nft, kernel_->mark(), kernel_->foreign_links({network}));
  undo.commit();
}

void NetworkStack::disconnect(const Fd& space, const std::string& container_id, const std::string& network_id) {
  FileLock lock = kernel_->lock();
  auto record = kernel_->load(container_id);
  if (!record) return;
  auto before = Kernel::ports_of(container_elements(kernel_->names, *record));
  std::string interface;
  for (const auto& e : record->plan.endpoints) {
    if (e.network_id != network_id) continue;
    const NetworkConfig& network = need_network(record->networks, network_id);
    kernel_->remove_endpoint(network, plan_endpoint(kernel_->names, network, container_id, e, false));
    interface = e.interface;
  }
  std::erase_if(record->plan.endpoints, [&](const Endpoint& e) { return e.network_id == network_id; });
  const Endpoint* leader = leading_endpoint(record->plan, record->networks);
  kernel::in_net_namespace(space, [&] {
    Links inside;
    if (!interface.empty()) inside.remove(interface);  // macvlan, ipvlan
    if (leader == nullptr) return;
    const NetworkConfig& network = need_network(record->networks, leader->network_id);
    inside.replace_default_routes(plan_endpoint(kernel_->names, network, container_id, *leader, true));
  });
  kernel_->table.remove(before);
  kernel_->add_elements(container_elements(kernel_->names, *record));
  auto concerned = record->networks;
  std::erase_if(record->networks, [&](const NetworkConfig& n) { return n.id == network_id; });
  write_file(kernel_->record(container_id), record->encode());
  kernel_->prune(concerned);
}

void NetworkStack::detach(const std::string& container_id) {
  if (!path_exists(kernel_->record(container_id))) return;
  std::vector<int> links;
  {
    FileLock lock = kernel_->lock();
    auto record = kernel_->load(container_id);
    if (!record) return;
    kernel_->table.remove(Kernel::ports_of(container_elements(kernel_->names, *record)));
    for (const auto& e : record->plan.endpoints) {
      const NetworkConfig& network = need_network(record->networks, e.network_id);
      if (network.driver != Driver::bridge) continue;
      EndpointPlan plan = plan_endpoint(kernel_->names, network, container_id, e, false);
      kernel_->links.remove_neighbours(kernel_->names.bridge(network), plan.addresses);
      links.push_back(Links::index_of(plan.host_link));
    }
    forget_connections(record->plan.ports);
    remove_tree(kernel_->record(container_id));
  }
  // The kernel takes tens of milliseconds for this, and nobody's start is to wait for it.
  for (int link : links) kernel_->links.remove(link);
}

bool NetworkStack::has_unused() const {
  auto all = kernel_->load_all();
  auto networks = config_.networks ? config_.networks() : std::vector<NetworkConfig>{};
  bool bridge = std::any_of(networks.begin(), networks.end(), [&](const NetworkConfig& n) {
    return n.driver == Driver::bridge && Links::index_of(kernel_->names.bridge(n)) != 0 && !Kernel::is_used(n, all);
  });
  return bridge || (all.empty() && path_exists(kernel_->folder()));
}

void NetworkStack::prune() {
  FileLock lock = kernel_->lock();
  kernel_->prune(config_.networks ? config_.networks() : std::vector<NetworkConfig>{});
}

std::optional<Attachment> NetworkStack::attachment(const std::string& container_id) const {
  return kernel_->load(container_id);
}

std::vector<std::string> NetworkStack::attached() const { return kernel_->ids(); }

void NetworkStack::remove_network(const NetworkConfig& network) {
  if (network.driver != Driver::bridge) return;
  FileLock lock = kernel_->lock();
  kernel_->remove_bridges(network);
}

void NetworkStack::reload() {
  FileLock lock = kernel_->lock();
  Inventory inventory = kernel_->inventory();
  std::erase_if(inventory.networks, [&](const NetworkConfig& n) { return !Kernel::is_used(n, inventory.containers); });
  if (inventory.containers.empty()) return kernel_->remove_everything();
  for (const auto& network : inventory.networks) {
    if (network.driver != Driver::bridge) continue;
    kernel_->ensure_bridge(network);
    for (const auto& a : inventory.containers) kernel_->rejoin(a, network);
  }
  kernel_->remove_strays(inventory);
  kernel_->table.rebuild(plan_elements(kernel_->names, inventory));
  allow_in_foreign_tables(kernel_->nft, kernel_->mark(), kernel_->foreign_links(inventory.networks));
}

std::vector<Link> NetworkStack::strays() {
  FileLock lock = kernel_->lock();
  return kernel_->strays(kernel_->inventory());
}

void NetworkStack::remove_link(int index) { kernel_->links.remove(index); }

void NetworkStack::remove_all() {
  FileLock lock = kernel_->lock();
  kernel_->remove_everything();
}

std::vector<Subnet> used_subnets() { return Links().used_subnets(); }

}  // namespace servin::network
