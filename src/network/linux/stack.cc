// SPDX-License-Identifier: Apache-2.0
#include "network/linux/stack.h"

#include <algorithm>

#include <linux/netlink.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/rollback.h"
#include "linux/net_namespace.h"
#include "network/linux/conntrack.h"
#include "network/linux/foreign.h"
#include "network/linux/host_settings.h"
#include "network/linux/links.h"
#include "network/linux/ports.h"
#include "network/linux/table.h"
#include "os/file.h"

namespace servin::network {
namespace {

constexpr std::size_t record_limit = 4U << 20U;

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

/// Sockets are opened when something is to be done.
struct NetworkStack::Kernel {
  explicit Kernel(const StackConfig& c) : config(c), names(c.tag), table(c.tag), nft(NETLINK_NETFILTER) {}

  const StackConfig& config;
  LinkNames names;
  Links links;
  Table table;
  kernel::NetlinkSocket nft;

  std::string alias(const std::string& what) const { return "servin " + config.tag + " " + what; }
  std::string mark() const { return "servin-" + config.tag; }
  std::string folder() const { return config.run_dir + "/attached"; }
  std::string record(const std::string& container_id) const { return folder() + "/" + container_id; }

  FileLock lock() const {
    make_dirs(config.run_dir);
    FileLock held = FileLock::acquire(config.run_dir + "/lock", "the set-up of networks", lock_patience);
    make_dirs(folder());  // whoever had it before may have removed the folder
    return held;
  }

  std::optional<Attachment> load(const std::string& container_id) const {
    auto bytes = read_file(record(container_id), record_limit);
    if (!bytes) return std::nullopt;
    return Attachment::decode(*bytes);
  }

  /// Of what is attached. A killed command may have left half of a record, whose name has a dot.
  std::vector<std::string> ids() const {
    auto found = list_dir(folder());
    std::erase_if(found, [](const std::string& name) { return name.find('.') != std::string::npos; });
    return found;
  }

  /// Oldest first: of two that claim one port, the later one has it.
  std::vector<Attachment> load_all() const {
    std::vector<std::pair<std::int64_t, Attachment>> found;
    for (const auto& id : ids()) {
      struct stat s{};
      if (::stat(record(id).c_str(), &s) != 0) continue;
      try {
        if (auto a = load(id)) found.emplace_back(s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec, std::move(*a));
      } catch (const Error& e) {
        log::warn("{}: {}", record(id), e.what());
      }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Attachment> all;
    for (auto& [when, a] : found) all.push_back(std::move(a));
    return all;
  }

  Inventory inventory() const {
    return {config.networks ? config.networks() : std::vector<NetworkConfig>{}, load_all()};
  }

  void add_elements(const std::vector<TableElement>& elements) {
    if (table.add(elements)) return;
    auto all = plan_elements(names, inventory());
    // What is being made is not in the inventory yet.
    for (const auto& e : elements)
      if (std::find(all.begin(), all.end(), e) == all.end()) {
        std::erase_if(all, [&](const TableElement& other) { return other.set == e.set && other.key == e.key; });
        all.push_back(e);
      }
    table.rebuild(all);
  }

  std::vector<std::string> foreign_links(const std::vector<NetworkConfig>& networks) const {
    std::vector<std::string> bridges = {names.prefix() + "b*"};
    for (const auto& n : networks)
      if (!n.bridge_name.empty()) bridges.push_back(n.bridge_name);
    return bridges;
  }

  /// Bridge and settings. True: it was not there.
  bool ensure_bridge(const NetworkConfig& network) {
    BridgePlan plan = plan_bridge(names, network);
    bool missing = Links::index_of(plan.name) == 0;
    if (!network.internal) enable_forwarding(plan.v4, plan.v6);
    if (missing) make_room_for_neighbours(plan.v4, plan.v6);
    links.ensure_bridge(plan, alias("network " + network.id));
    if (missing) links.wait_until_local(plan.addresses);
    return missing;
  }

  void ensure_shard(const NetworkConfig& network, unsigned shard) {
    if (shard == 0) return;
    links.ensure_shard(names.bridge(network, shard), names.bridge(network), names.trunk(network, shard),
                       names.trunk_peer(network, shard), network.mtu, network.isolated, alias("network " + network.id));
  }

  /// Endpoints that a deleted bridge left behind come back to the new one.
  void rejoin(const Attachment& a, const NetworkConfig& network) {
    for (const auto& endpoint : a.plan.endpoints) {
      if (endpoint.network_id != network.id) continue;
      EndpointPlan plan = plan_endpoint(names, network, a.plan.container_id, endpoint, false);
      if (plan.host_link.empty() || Links::index_of(plan.host_link) == 0) continue;
      ensure_shard(network, plan.shard);
      links.set_master(plan.host_link, plan.bridge, plan.isolated, alias("container " + a.plan.container_id));
      links.add_neighbours(names.bridge(network), plan.addresses, plan.mac);
      links.wait_until_up({plan.host_link, plan.bridge});
    }
  }

  void ensure_links(const NetworkConfig& network, unsigned shard = 0) {
    if (network.driver != Driver::bridge) return;
    bool missing = shard > 0 && Links::index_of(names.bridge(network, shard)) == 0;
    missing = ensure_bridge(network) || missing;
    ensure_shard(network, shard);
    if (!missing) return;
    for (const auto& a : load_all()) rejoin(a, network);
  }

  void add_endpoint(const Fd& space, const NetworkConfig& network, const EndpointPlan& plan, const std::string& id,
                    Rollback& undo) {
    ensure_links(network, plan.shard);
    links.add_endpoint(plan, space, alias("container " + id));
    if (network.driver != Driver::bridge) return;
    undo.add([this, plan] { links.remove(plan.host_link); });
    links.add_neighbours(names.bridge(network), plan.addresses, plan.mac);
  }

  void configure(const Fd& space, const std::vector<EndpointPlan>& endpoints) {
    std::vector<std::string> outside;
    kernel::in_net_namespace(space, [&] {
      Links there;
      std::vector<std::string> inside;
      for (const auto& e : endpoints) {
        there.configure(e);
        inside.push_back(e.interface);
        if (e.driver == Driver::bridge) outside.insert(outside.end(), {e.host_link, e.bridge});
      }
      there.wait_until_up(inside);
      for (const auto& e : endpoints) there.wait_until_local(e.addresses);
    });
    links.wait_until_up(outside);
  }

  void remove_endpoint(const NetworkConfig& network, const EndpointPlan& plan) {
    if (network.driver != Driver::bridge) return;
    links.remove_neighbours(names.bridge(network), plan.addresses);
    links.remove(plan.host_link);
  }

  void remove_bridges(const NetworkConfig& network) {
    std::string owner = alias("network " + network.id);
    for (const auto& link : links.list())
      if (link.alias == owner) links.remove(link.name);
    links.remove(names.bridge(network));
    std::vector<TableElement> elements;
    for (const auto& e : plan_elements(names, {{network}, {}})) elements.push_back(e);
    table.remove(elements);
  }

  static bool is_used(const NetworkConfig& network, const std::vector<Attachment>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Attachment& a) {
      return std::any_of(a.plan.endpoints.begin(), a.plan.endpoints.end(),
                         [&](const Endpoint& e) { return e.network_id == network.id; });
    });
  }

  /// What nobody is in goes: a bridge without anybody at it, a table without anything in it.
  void prune(const std::vector<NetworkConfig>& networks) {
    auto all = load_all();
    if (all.size() < ids().size()) return;  // whose record cannot be read may need any of them
    for (const auto& n : networks) {
      bool there = n.driver == Driver::bridge && Links::index_of(names.bridge(n)) != 0;
      if (there && !is_used(n, all)) remove_bridges(n);
    }
    if (!all.empty()) return;
    for (const auto& half : list_dir(folder())) remove_tree(folder() + "/" + half);
    remove_everything();
    ::rmdir(folder().c_str());
  }

  /// Only ports and nothing of bridges: others are on these too.
  static std::vector<TableElement> ports_of(std::vector<TableElement> elements) {
    std::erase_if(elements, [](const TableElement& e) { return e.set < TableSet::at4; });
    return elements;
  }

  /// Links of this root's that belong to none of these.
  std::vector<std::string> strays(const Inventory& inventory) {
    std::vector<std::string> owners, found;
    for (const auto& n : inventory.networks) owners.push_back(alias("network " + n.id));
    for (const auto& c : inventory.containers) owners.push_back(alias("container " + c.plan.container_id));
    for (const auto& link : links.list())
      if (link.alias.starts_with(alias("")) && std::find(owners.begin(), owners.end(), link.alias) == owners.end())
        found.push_back(link.name);
    return found;
  }

  void remove_strays(const Inventory& inventory) {
    for (const auto& link : strays(inventory)) links.remove(link);
  }

  void remove_everything() {
    remove_strays({});
    table.drop();
    leave_foreign_tables(nft, mark());
  }
};

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
  if (!path_exists(kernel_->folder())) return false;
  auto all = kernel_->load_all();
  if (all.empty()) return true;
  auto networks = config_.networks ? config_.networks() : std::vector<NetworkConfig>{};
  return std::any_of(networks.begin(), networks.end(), [&](const NetworkConfig& n) {
    return n.driver == Driver::bridge && Links::index_of(kernel_->names.bridge(n)) != 0 && !Kernel::is_used(n, all);
  });
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

std::vector<std::string> NetworkStack::strays() {
  FileLock lock = kernel_->lock();
  return kernel_->strays(kernel_->inventory());
}

void NetworkStack::remove_link(const std::string& name) { kernel_->links.remove(name); }

void NetworkStack::remove_all() {
  FileLock lock = kernel_->lock();
  kernel_->remove_everything();
}

std::vector<Subnet> used_subnets() { return Links().used_subnets(); }

}  // namespace servin::network
