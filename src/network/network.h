// SPDX-License-Identifier: Apache-2.0
// Networks of containers as data: what a network is, what a container has in it, which ports it publishes. Nothing here
// touches the kernel: network/linux applies it, and network/dns serves the names.
//
// One engine root has one nftables table and names its links after its tag (base/paths.h), so that two roots on one
// machine never meet.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/dns/address.h"

namespace servin::network {

using dns::Address;

/// An address with a prefix length; as a network its host bits are zero (see network()).
struct Subnet {
  Address address;
  unsigned prefix = 0;
  auto operator<=>(const Subnet&) const = default;

  /// "10.1.0.0/16", "fd00::/64"; host bits may be set. Nothing when it is none.
  static std::optional<Subnet> parse(std::string_view text);
  std::string text() const;
  /// Host bits cleared.
  Subnet network() const;
  bool contains(const Address& a) const;
  bool overlaps(const Subnet& other) const;
  /// The `n`-th address behind the network's own (0); nothing beyond the end.
  std::optional<Address> nth(std::uint64_t n) const;
  /// The opposite: how far behind the network's own; only the low 64 bits count.
  std::uint64_t offset_of(const Address& a) const;
  /// The highest address of it.
  Address last() const;
  /// IPv4: the last address, which nobody may have (prefix < 31).
  std::optional<Address> broadcast() const;
};

struct MacAddress {
  std::array<unsigned char, 6> bytes{};
  auto operator<=>(const MacAddress&) const = default;
  /// Six pairs of hex digits with ":" or "-"; nothing when it is none, or a group address.
  static std::optional<MacAddress> parse(std::string_view text);
  std::string text() const;
};
/// Of an endpoint that was given none: fixed by container and network, locally administered.
MacAddress derived_mac(std::string_view container_id, std::string_view network_id);

enum class Driver : std::uint8_t { bridge, macvlan, ipvlan };
std::string_view driver_name(Driver driver);
std::optional<Driver> parse_driver(std::string_view name);

/// At most one of each family.
struct SubnetConfig {
  Subnet subnet;                   // network(), not the gateway's
  std::optional<Address> gateway;  // bridge: the host's address, on the bridge; macvlan, ipvlan: the router's, if any
  std::optional<Subnet> ip_range;  // leases come from here
  auto operator<=>(const SubnetConfig&) const = default;
};

struct NetworkConfig {
  std::string id;  // 64 hex digits
  std::string name;
  Driver driver = Driver::bridge;
  std::vector<SubnetConfig> subnets;
  bool internal = false;        // leads nowhere: no default route, no forwarding, no published ports
  bool default_bridge = false;  // the network "bridge": containers have no names in it
  std::uint32_t mtu = 0;        // 0 = the kernel's default
  bool isolated = false;        // com.docker.network.bridge.enable_icc=false: its containers do not reach each other
  bool masquerade = true;       // com.docker.network.bridge.enable_ip_masquerade
  std::string parent;       // macvlan, ipvlan: the host's interface, "eth0" or "eth0.30" (a VLAN, made when missing)
  std::string mode;         // macvlan: bridge (default) private vepa passthru; ipvlan: l2 (default) l3 l3s
  std::string bridge_name;  // com.docker.network.bridge.name; "" = made of tag and id
  std::map<std::string, std::string> options, labels;  // as given

  const SubnetConfig* subnet(bool v6) const;
};

/// What a container has in one network.
struct Endpoint {
  std::string network_id;
  std::vector<Address> addresses;  // at most one of each family, each inside the network's subnet
  std::optional<MacAddress> mac;   // nothing = derived_mac()
  std::string interface = "eth0";  // inside the container
  std::vector<std::string> aliases;

  std::optional<Address> address(bool v6) const;
};

enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };
std::string_view protocol_name(Protocol protocol);
std::optional<Protocol> parse_protocol(std::string_view name);

/// One port, ranges are spread out before.
struct PortMapping {
  std::optional<Address> host_ip;  // nothing: all of the host's, of both families
  std::uint16_t host_port = 0;     // 0 = the stack takes a free one and tells
  std::uint16_t container_port = 0;
  Protocol protocol = Protocol::tcp;
  std::uint16_t last_host_port = 0;  // not 0: a free one from host_port to this, and the stack tells which
  auto operator<=>(const PortMapping&) const = default;
  /// "127.0.0.1:8080->80/tcp", "8080->80/tcp".
  std::string text() const;
};

/// All that a container has. The first endpoint that is not internal carries the default route and the ports.
struct ContainerNetworkPlan {
  std::string container_id;  // 64 hex digits
  std::vector<Endpoint> endpoints;
  std::vector<PortMapping> ports;
};

/// A container's plan with the networks that it was made for: enough to repair it, and to take it away again.
struct Attachment {
  ContainerNetworkPlan plan;
  std::vector<NetworkConfig> networks;

  std::string encode() const;
  /// Throws data_loss.
  static Attachment decode(std::string_view bytes);
};

/// Everything of one engine root that should be in the kernel: for repairs.
struct Inventory {
  std::vector<NetworkConfig> networks;  // those that were made
  std::vector<Attachment> containers;   // those that run, the latest last
};

}  // namespace servin::network
