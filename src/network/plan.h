// SPDX-License-Identifier: Apache-2.0
// What the kernel gets, as data: names of links, what a bridge and an endpoint consist of, and the elements of the
// nftables table. Pure; network/linux applies it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/network.h"

namespace servin::network {

/// Names of one engine root's links: at most 15 bytes, the same whenever they are asked for.
class LinkNames {
 public:
  explicit LinkNames(std::string_view tag);
  /// What all of them begin with.
  const std::string& prefix() const { return prefix_; }
  std::string bridge(const NetworkConfig& network, unsigned shard = 0) const;
  /// The pair that joins a further bridge to the first: the end at the first one, and the other end.
  std::string trunk(const NetworkConfig& network, unsigned shard) const;
  std::string trunk_peer(const NetworkConfig& network, unsigned shard) const;
  /// The host's end of an endpoint.
  std::string endpoint(std::string_view container_id, std::string_view network_id) const;

 private:
  std::string prefix_;
};

/// A bridge has 1,023 ports. A network has as many bridges as its addresses need, joined in a star around the first
/// one, which has the gateway's address: which one an endpoint is at follows from its address, and no two endpoints
/// have the same, so none of them ever fills up and nobody has to count.
constexpr unsigned shard_size = 900;
unsigned shard_of(const NetworkConfig& network, const Endpoint& endpoint);

struct BridgePlan {
  std::string name;
  MacAddress mac;
  std::uint32_t mtu = 0;
  std::vector<Subnet> addresses;  // the gateway's, with the subnet's length
  bool v4 = false, v6 = false;
};
/// The first bridge. Further ones have neither address nor anything else of their own.
BridgePlan plan_bridge(const LinkNames& names, const NetworkConfig& network);

struct NeighbourPlan {
  Address address;
  MacAddress mac;
};

struct EndpointPlan {
  Driver driver = Driver::bridge;
  std::string host_link;  // bridge: the host's end
  std::string bridge;     // bridge: its master
  unsigned shard = 0;
  bool isolated = false;     // from other ports of the bridge
  std::string parent, mode;  // macvlan, ipvlan
  std::string interface;     // inside
  MacAddress mac;
  std::uint32_t mtu = 0;
  std::vector<Subnet> addresses;
  std::vector<Address> default_routes;  // the gateways that lead out; empty when another endpoint does
  bool device_route = false;            // ipvlan l3: the default route has no gateway
  std::vector<NeighbourPlan> gateways;  // known inside for good: the host's neighbour table has a limit for all of it
  bool v6 = false;
};
EndpointPlan plan_endpoint(const LinkNames& names, const NetworkConfig& network, const std::string& container_id,
                           const Endpoint& endpoint, bool default_route);

/// Which endpoint carries the default route and the ports of this container; nothing when all are internal.
const Endpoint* leading_endpoint(const ContainerNetworkPlan& plan, const std::vector<NetworkConfig>& networks);
const NetworkConfig* find_network(const std::vector<NetworkConfig>& networks, const std::string& id);

// --- the table

/// Named sets and maps of the table (network/linux/table.h has the rules that read them).
enum class TableSet : std::uint8_t {
  bridges,   // interface: every bridge of ours
  internal,  // interface: those of internal networks
  masked,    // interface: what leaves the host from there gets the host's address
  same,      // interface . interface: forwarding between these is traffic inside of one network
  own4,      // interface . addresses: what comes back into the network that it is from
  own6,
  at4,   // address . protocol . port : address . port
  any4,  // protocol . port : address . port
  at6,
  any6,
};
std::string_view set_name(TableSet set);

struct TableElement {
  TableSet set = TableSet::bridges;
  std::string key, value;  // as the kernel has them: parts in network order, padded to four bytes
  std::string last = {};   // own4, own6: the key's upper end
  auto operator<=>(const TableElement&) const = default;
  /// For tests and messages: "any4 tcp 8080 : 10.0.0.2 80".
  std::string text() const;
};

std::vector<TableElement> bridge_elements(const LinkNames& names, const NetworkConfig& network, unsigned shard);
/// Those of the ports; `leader` has the addresses that they lead to.
std::vector<TableElement> port_elements(const std::vector<PortMapping>& ports, const Endpoint& leader);
/// Of the container's bridges and ports.
std::vector<TableElement> container_elements(const LinkNames& names, const Attachment& attachment);
/// All that the inventory asks for, each key once.
std::vector<TableElement> plan_elements(const LinkNames& names, const Inventory& inventory);

/// Sockets that keep one published port ours: for an address that is none of IPv4's or IPv6's own, one of each.
struct PortSocket {
  Address address;  // to bind; of the family
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  Address target;
  std::uint16_t target_port = 0;
};
std::vector<PortSocket> plan_sockets(const PortMapping& port, const Endpoint& leader);

}  // namespace servin::network
