// SPDX-License-Identifier: Apache-2.0
#include "engine/local/networks.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "engine/options.h"
#include "network/dns/ensure.h"
#include "network/dns/names.h"
#include "network/linux/links.h"
#include "network/plan.h"
#include "os/file.h"

namespace servin::engine {

using network::NetworkConfig;
using network::Subnet;

namespace {

/// The default network is one of these.
constexpr const char* pool = "10.208.0.0/12";
constexpr unsigned default_prefix = 16;
constexpr std::uint64_t pool_size = 1U << (default_prefix - 12);

std::optional<network::PortMapping> mapping_of(const PortSpec& p) {
  network::PortMapping m;
  m.host_ip = network::Address::parse(p.host_ip);
  if (m.host_ip && m.host_ip->is_any() && !m.host_ip->v6) m.host_ip = network::Address{};
  m.host_port = p.host_port;
  m.container_port = p.container_port;
  auto protocol = network::parse_protocol(p.protocol);
  if (!protocol) return std::nullopt;
  m.protocol = *protocol;
  return m;
}

std::uint64_t parse_hex(const std::string& tag) { return std::stoull(tag, nullptr, 16); }

std::vector<network::PortMapping> ports_of(const ContainerConfig& config) {
  std::vector<network::PortMapping> ports;
  auto add = [&](const PortSpec& p) {
    auto m = mapping_of(p);
    if (m && std::find(ports.begin(), ports.end(), *m) == ports.end()) ports.push_back(*m);
  };
  for (const auto& text : config.request.publish)
    for (const auto& p : parse_publish(text)) add(p);
  if (!config.request.publish_all) return ports;
  for (const auto& exposed : config.exposed_ports)
    for (const auto& p : parse_publish(exposed)) {
      bool given = std::any_of(ports.begin(), ports.end(), [&](const network::PortMapping& m) {
        return m.container_port == p.container_port && network::protocol_name(m.protocol) == p.protocol;
      });
      if (!given) add(p);
    }
  return ports;
}

}  // namespace

std::vector<PortSpec> shown_ports(const network::Attachment& a) {
  std::vector<PortSpec> ports;
  for (const auto& p : a.plan.ports)
    ports.push_back({p.host_ip ? p.host_ip->text() : "", p.host_port, p.container_port,
                     std::string(network::protocol_name(p.protocol))});
  return ports;
}

std::vector<NetworkAddress> shown_networks(const network::Attachment& a) {
  std::vector<NetworkAddress> shown;
  for (const auto& e : a.plan.endpoints) {
    const NetworkConfig* n = network::find_network(a.networks, e.network_id);
    if (n == nullptr) continue;
    NetworkAddress s;
    s.network = n->name;
    s.network_id = n->id;
    s.mac = e.mac.value_or(network::derived_mac(a.plan.container_id, n->id)).text();
    for (bool v6 : {false, true}) {
      const network::SubnetConfig* subnet = n->subnet(v6);
      auto address = e.address(v6);
      if (subnet == nullptr || !address) continue;
      (v6 ? s.address6 : s.address) = address->text();
      (v6 ? s.gateway6 : s.gateway) = subnet->gateway ? subnet->gateway->text() : "";
      (v6 ? s.prefix6 : s.prefix) = subnet->subnet.prefix;
    }
    shown.push_back(std::move(s));
  }
  return shown;
}

Networks::Networks(const Paths& paths, std::function<bool(const std::string&)> is_known_container)
    : paths_(paths), is_known_(std::move(is_known_container)) {}
Networks::~Networks() = default;

bool Networks::is_one(const std::string& mode) {
  return mode != "none" && mode != "host" && !mode.starts_with("container:");
}

network::NetworkStack& Networks::stack() {
  if (!stack_)
    stack_ =
        std::make_unique<network::NetworkStack>(network::StackConfig{paths_.tag, run_dir(), [this] { return all(); }});
  return *stack_;
}

Leases Networks::leases(const std::string& network_id) { return {dir() + "/" + network_id, is_known_}; }

/// One that the host does not use. Each root begins to look at another place, so that two of them seldom want the same.
Subnet Networks::choose_subnet() {
  Subnet from = *Subnet::parse(pool);
  auto used = network::used_subnets();
  std::uint64_t start = parse_hex(paths_.tag);
  for (std::uint64_t i = 0; i < pool_size; ++i) {
    Subnet candidate{*from.nth((start + i) % pool_size << (32 - default_prefix)), default_prefix};
    bool free = std::none_of(used.begin(), used.end(), [&](const Subnet& u) { return u.overlaps(candidate); });
    if (free) return candidate;
  }
  throw error(ErrorCode::resource_exhausted, "the host uses all of {}: there is no subnet for the default network",
              pool)
      .with_id("E-SUBNET-FULL")
      .with_hint("use --network host or none; ip route shows what the host uses");
}

NetworkConfig Networks::default_bridge() {
  NetworkConfig n;
  n.id = sha256_hex("bridge " + paths_.tag);
  n.name = "bridge";
  n.default_bridge = true;
  auto stored = Subnet::parse(trim(read_file(dir() + "/bridge").value_or("")));
  if (!stored) stored = settle_subnet();
  n.subnets = {{stored->network(), stored->nth(1), {}}};
  return n;
}

Subnet Networks::settle_subnet() {
  make_dirs(dir());
  FileLock lock = FileLock::acquire(dir() + "/bridge.lock", "the default network", lock_patience);
  auto stored = Subnet::parse(trim(read_file(dir() + "/bridge").value_or("")));
  if (stored) return *stored;
  Subnet chosen = choose_subnet();
  write_file(dir() + "/bridge", chosen.text() + "\n");
  return chosen;
}

/// The host may have taken to using the subnet elsewhere (a VPN, another engine). Nobody is in the network at the
/// moment; without stopped containers that have an address in it, it can become another one.
NetworkConfig Networks::usable_bridge() {
  NetworkConfig n = default_bridge();
  if (network::Links::index_of(network::LinkNames(paths_.tag).bridge(n)) != 0) return n;
  auto used = network::used_subnets();
  auto taken = std::find_if(used.begin(), used.end(), [&](const Subnet& u) { return u.overlaps(n.subnets[0].subnet); });
  if (taken == used.end()) return n;
  if (!leases(n.id).empty())
    throw error(ErrorCode::conflict, "the host uses {}, where the default network {} was", taken->text(),
                n.subnets[0].subnet.text())
        .with_id("E-SUBNET-USED")
        .with_hint("ip route shows by whom; without containers in the network it steps aside: servin container prune");
  remove_tree(dir() + "/bridge");
  return default_bridge();
}

std::vector<NetworkConfig> Networks::all() {
  if (!path_exists(dir() + "/bridge")) return {};
  return {default_bridge()};
}

std::vector<std::string> Networks::host_addresses() {
  std::vector<std::string> addresses;
  for (const auto& s : default_bridge().subnets)
    if (s.gateway) addresses.push_back(s.gateway->text());
  return addresses;
}

Networks::Joined Networks::join(const ContainerConfig& config) {
  NetworkConfig bridge = usable_bridge();
  network::ContainerNetworkPlan plan;
  plan.container_id = config.id;
  network::Endpoint endpoint;
  endpoint.network_id = bridge.id;
  endpoint.addresses = leases(bridge.id).take(bridge, config.id);
  plan.endpoints = {endpoint};
  plan.ports = ports_of(config);
  Joined joined;
  joined.space = network::NetworkStack::create_namespace();
  joined.attached = stack().attach(joined.space, plan, {bridge});
  for (const auto& a : endpoint.addresses) joined.view.addresses.push_back(a.text());
  joined.view.host_addresses = host_addresses();
  joined.resolver_dir = names_dir(bridge.id);
  return joined;
}

/// Nobody has a name in the default network, but its resolver lives as long as somebody is in it.
void Networks::write_names(const NetworkConfig& network) {
  dns::Names names;
  names.network = network.name;
  names.internal = network.internal;
  for (const auto& s : network.subnets)
    if (s.gateway) names.gateways.push_back(s.gateway->text());
  for (const auto& id : stack().attached()) {
    auto a = stack().attachment(id);
    if (!a) continue;
    for (const auto& e : a->plan.endpoints) {
      if (e.network_id != network.id) continue;
      auto text = [&](bool v6) { return e.address(v6) ? e.address(v6)->text() : std::string(); };
      names.endpoints.push_back({text(false), text(true), id, id.substr(0, 12), {}, {}});
    }
  }
  make_dirs(names_dir(network.id));
  dns::write_names(names_dir(network.id), names);
}

void Networks::ensure_resolver(const Joined& joined) {
  for (const auto& n : all())
    if (names_dir(n.id) == joined.resolver_dir) write_names(n);
  network::ensure_netd(joined.resolver_dir);
}

void Networks::leave(const std::string& container) {
  if (!path_exists(run_dir() + "/attached/" + container)) return;
  auto before = stack().attachment(container);
  stack().detach(container);
  if (!before) return;
  for (const auto& n : before->networks)
    if (path_exists(names_dir(n.id) + "/names")) write_names(n);
}

void Networks::forget(const std::string& container) {
  for (const auto& id : list_dir(dir()))
    if (path_exists(dir() + "/" + id + "/containers/" + container)) leases(id).release(container);
}

std::optional<network::Attachment> Networks::attachment(const std::string& container) {
  if (!path_exists(run_dir() + "/attached/" + container)) return std::nullopt;
  return stack().attachment(container);
}

void Networks::reload() { stack().reload(); }

void Networks::sweep(const std::function<bool(const std::string&)>& is_running) {
  for (const auto& id : list_dir(run_dir() + "/attached")) {
    try {
      if (!is_running(id)) leave(id);
    } catch (const Error& e) {
      log::debug("networks of {}: {}", id, e.what());
    }
  }
}

}  // namespace servin::engine
