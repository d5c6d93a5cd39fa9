// SPDX-License-Identifier: Apache-2.0
// Networks of the Engine interface (types.h has the rest). Addresses are texts, as a person writes and reads them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace servin::engine {

/// What `network create` asks for.
struct NetworkRequest {
  std::string name;
  std::string driver = "bridge";                          // bridge, macvlan, ipvlan
  std::vector<std::string> subnets, gateways, ip_ranges;  // a gateway and a range belong to the subnet they lie in
  bool ipv6 = false;  // a subnet of IPv6 too, of the engine's choice if none is given
  bool internal = false;
  std::map<std::string, std::string> options, labels;
};

struct NetworkSubnet {
  std::string subnet, gateway, ip_range;  // "" = none
  bool chosen = false;                    // by the engine: it may become another one while nobody is in the network
};

/// A running container of a network; addresses with their prefix length.
struct NetworkMember {
  std::string id, name, mac, address, address6;
};

struct Network {
  std::string id, name, driver;
  std::vector<NetworkSubnet> subnets;
  bool internal = false;
  bool built_in = false;  // bridge, host, none
  std::map<std::string, std::string> options, labels;
  Time created;
  std::vector<NetworkMember> members;  // inspect
};

/// What a container has, or asks for, in one network.
struct NetworkAddress {
  std::string network, network_id;
  std::string address, gateway;  // "" = none
  std::string address6, gateway6;
  unsigned prefix = 0, prefix6 = 0;
  std::string mac;
  std::vector<std::string> aliases;
};

}  // namespace servin::engine
