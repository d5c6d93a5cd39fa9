// SPDX-License-Identifier: Apache-2.0
// What can be seen of a container's networks, and of a network's containers.
#include <algorithm>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "engine/local/networks.h"
#include "network/plan.h"

namespace servin::engine {

using network::NetworkConfig;

std::vector<PortSpec> shown_ports(const network::Attachment& a) {
  std::vector<PortSpec> ports;
  for (const auto& p : a.plan.ports)
    ports.push_back({p.host_ip ? p.host_ip->text() : "", p.host_port, p.container_port,
                     std::string(network::protocol_name(p.protocol)), 0});
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
    s.aliases = e.aliases;
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

bool Networks::is_attached(const std::string& container, const std::string& network_id) {
  auto now = attachment(container);
  return now && std::any_of(now->plan.endpoints.begin(), now->plan.endpoints.end(),
                            [&](const network::Endpoint& e) { return e.network_id == network_id; });
}

bool Networks::publishes_in(const std::string& container, const std::string& network_id) {
  auto now = attachment(container);
  if (!now || now->plan.ports.empty()) return false;
  const network::Endpoint* leader = network::leading_endpoint(now->plan, now->networks);
  return leader != nullptr && leader->network_id == network_id;
}

std::vector<NetworkAddress> Networks::places(const std::string& container) {
  std::vector<NetworkAddress> places;
  for (const auto& id : store_.networks_of(container)) {
    try {
      auto network = store_.read(id);
      if (!network) continue;
      NetworkAddress place;
      place.network_id = id;
      place.network = network->name;
      place.aliases = store_.leases(id).member(container).value_or(Member{}).aliases;
      places.push_back(std::move(place));
    } catch (const Error& e) {
      // This is for a look at the container: a damaged network must not hide it.
      log::warn("network {}: {}", short_id(id), e.what());
    }
  }
  return places;
}

std::vector<NetworkMember> Networks::running_members(const std::string& network_id) {
  std::vector<NetworkMember> members;
  for (const auto& id : store_.leases(network_id).members()) {
    auto a = attachment(id);
    if (!a) continue;
    for (const auto& n : shown_networks(*a)) {
      if (n.network_id != network_id) continue;
      auto with_prefix = [](const std::string& text, unsigned prefix) {
        return text.empty() ? text : fmt::format("{}/{}", text, prefix);
      };
      members.push_back(
          {id, name_of_(id).value_or(""), n.mac, with_prefix(n.address, n.prefix), with_prefix(n.address6, n.prefix6)});
    }
  }
  return members;
}

}  // namespace servin::engine
