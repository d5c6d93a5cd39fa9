// SPDX-License-Identifier: Apache-2.0
#include "network/plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"

namespace servin::network {
namespace {

/// `count` letters and digits out of a hash.
std::string short_hash(std::string_view text, std::size_t count) {
  constexpr std::string_view digits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string hex = sha256_hex(text);
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += digits[std::stoul(hex.substr(i * 2, 2), nullptr, 16) % digits.size()];
  return out;
}

std::string shard_suffix(unsigned shard) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  if (shard == 0) return "";
  return {digits[shard / digits.size() % digits.size()], digits[shard % digits.size()]};
}

constexpr unsigned max_shards = 36 * 36;

std::uint32_t mtu_of(const NetworkConfig& network) { return network.mtu; }

}  // namespace

LinkNames::LinkNames(std::string_view tag) : prefix_("sv" + short_hash(tag, 4)) {}

std::string LinkNames::bridge(const NetworkConfig& network, unsigned shard) const {
  if (shard == 0 && !network.bridge_name.empty()) return network.bridge_name;
  return prefix_ + "b" + short_hash(network.id, 6) + shard_suffix(shard);
}

std::string LinkNames::trunk(const NetworkConfig& network, unsigned shard) const {
  return prefix_ + "t" + short_hash(network.id, 6) + shard_suffix(shard);
}

std::string LinkNames::trunk_peer(const NetworkConfig& network, unsigned shard) const {
  return prefix_ + "u" + short_hash(network.id, 6) + shard_suffix(shard);
}

std::string LinkNames::endpoint(std::string_view container_id, std::string_view network_id) const {
  return prefix_ + "v" + short_hash(fmt::format("{} {}", container_id, network_id), 8);
}

unsigned shard_of(const NetworkConfig& network, const Endpoint& endpoint) {
  for (bool v6 : {false, true}) {
    const SubnetConfig* s = network.subnet(v6);
    auto address = endpoint.address(v6);
    if (s == nullptr || !address) continue;
    return static_cast<unsigned>(s->subnet.offset_of(*address) / shard_size % max_shards);
  }
  return 0;
}

BridgePlan plan_bridge(const LinkNames& names, const NetworkConfig& network) {
  BridgePlan b;
  b.name = names.bridge(network);
  b.mac = derived_mac("bridge", network.id);
  b.mtu = mtu_of(network);
  for (const auto& s : network.subnets) {
    (s.subnet.address.v6 ? b.v6 : b.v4) = true;
    if (s.gateway) b.addresses.push_back({*s.gateway, s.subnet.prefix});
  }
  return b;
}

EndpointPlan plan_endpoint(const LinkNames& names, const NetworkConfig& network, const std::string& container_id,
                           const Endpoint& endpoint, bool default_route) {
  EndpointPlan e;
  e.driver = network.driver;
  e.parent = network.parent;
  e.mode = network.mode;
  e.interface = endpoint.interface;
  e.mac = endpoint.mac.value_or(derived_mac(container_id, network.id));
  e.mtu = mtu_of(network);
  if (network.driver == Driver::bridge) {
    e.shard = shard_of(network, endpoint);
    e.host_link = names.endpoint(container_id, network.id);
    e.bridge = names.bridge(network, e.shard);
    e.isolated = network.isolated;
  }
  for (const auto& address : endpoint.addresses) {
    const SubnetConfig* s = network.subnet(address.v6);
    if (s == nullptr || !s->subnet.contains(address))
      throw error(ErrorCode::internal, "address {} is not of network {}", address.text(), network.name);
    e.v6 = e.v6 || address.v6;
    e.addresses.push_back({address, s->subnet.prefix});
    if (!s->gateway) continue;
    if (network.driver == Driver::bridge) e.gateways.push_back({*s->gateway, derived_mac("bridge", network.id)});
    if (default_route && !network.internal) e.default_routes.push_back(*s->gateway);
  }
  bool l3 = network.driver == Driver::ipvlan && (network.mode == "l3" || network.mode == "l3s");
  e.device_route = l3 && default_route && !network.internal;
  if (l3) e.default_routes.clear();
  return e;
}

const NetworkConfig* find_network(const std::vector<NetworkConfig>& networks, const std::string& id) {
  for (const auto& n : networks)
    if (n.id == id) return &n;
  return nullptr;
}

const Endpoint* leading_endpoint(const ContainerNetworkPlan& plan, const std::vector<NetworkConfig>& networks) {
  for (const auto& e : plan.endpoints) {
    const NetworkConfig* n = find_network(networks, e.network_id);
    if (n != nullptr && !n->internal) return &e;
  }
  return nullptr;
}

std::vector<PortSocket> plan_sockets(const PortMapping& port, const Endpoint& leader) {
  std::vector<PortSocket> sockets;
  for (bool v6 : {false, true}) {
    if (port.host_ip && port.host_ip->v6 != v6) continue;
    // What comes by the other family is handed over by a process of ours, so any address of the container's will do.
    auto target = leader.address(v6);
    if (!target) target = leader.address(!v6);
    if (!target) continue;
    Address address = port.host_ip.value_or(Address{v6, {}});
    sockets.push_back({address, port.host_port, port.protocol, *target, port.container_port});
  }
  return sockets;
}

}  // namespace servin::network
