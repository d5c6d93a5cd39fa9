// SPDX-License-Identifier: Apache-2.0
// Links, addresses, routes and neighbours by rtnetlink. Plans (network/plan.h) become batches here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "linux/netlink_socket.h"
#include "network/plan.h"
#include "os/fd.h"

namespace servin::network {

struct Link {
  int index = 0;
  std::string name;
  std::string kind;   // "bridge", "veth"; "" = a device
  std::string alias;  // links of ours say whose they are
  int master = 0;
  bool up = false;
};

/// In the namespace in which it was made.
class Links {
 public:
  Links();
  std::vector<Link> list();
  /// 0: there is none.
  static int index_of(const std::string& name);

  /// Makes what is missing, and sets what it is. `alias` marks it as ours.
  void ensure_bridge(const BridgePlan& plan, const std::string& alias);
  /// A further bridge of a network, joined to the first by a pair.
  void ensure_shard(const std::string& bridge, const std::string& first, const std::string& trunk,
                    const std::string& trunk_peer, std::uint32_t mtu, bool isolated, const std::string& alias);
  /// The pair, or the macvlan or ipvlan link, whose inner end is born in `space`; the outer end is at its bridge and
  /// up.
  void add_endpoint(const EndpointPlan& plan, const Fd& space, const std::string& alias);
  /// No error when it is not there. By its index: not another one that has the name by now.
  void remove(const std::string& name);
  void remove(int index);
  void set_master(const std::string& link, const std::string& bridge, bool isolated, const std::string& alias);

  /// The host knows the container's hardware address for good (REPLACE).
  void add_neighbours(const std::string& bridge, const std::vector<Subnet>& addresses, const MacAddress& mac);
  void remove_neighbours(const std::string& bridge, const std::vector<Subnet>& addresses);

  /// Called inside of the container's namespace: addresses, link up, routes, neighbours.
  void configure(const EndpointPlan& plan);
  void replace_default_routes(const EndpointPlan& plan);

  /// Until the kernel has noticed that these links can carry packets (it does so in the background, and drops what
  /// comes before). Gives up after a while: a link may be down for a reason of its own.
  void wait_until_up(const std::vector<std::string>& names);
  /// Until packets for these addresses are taken: the kernel adds the route of an IPv6 address in the background, also
  /// where nobody looks for duplicates, and drops what comes before.
  void wait_until_local(const std::vector<Subnet>& addresses);

  /// Addresses and routes (not the default ones) of this namespace.
  std::vector<Subnet> used_subnets();

 private:
  bool is_up(const std::string& name);
  bool is_local(const Address& address);
  kernel::NetlinkSocket socket_;
};

}  // namespace servin::network
