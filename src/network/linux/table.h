// SPDX-License-Identifier: Apache-2.0
// The nftables table of one engine root, "inet servin-TAG". Its rules never change: they read sets and maps, and a
// container that comes or goes adds or deletes elements, whatever the number of others.
//
//   from_outside  prerouting, before all: 127.0.0.0/8 from anywhere but loopback goes nowhere (route_localnet is on)
//   dstnat, output  what is for an address of this host and a published port goes to the container
//   srcnat  the host's address for what leaves, for what comes from 127.0.0.1, and for a container that reaches its own
//           network through a published port (else the answer would take the short way, and nobody would know it)
//   forward  between networks: nothing; out of internal ones: nothing; from outside: published ports only
//   input  internal networks reach name service on the gateway, nothing else of the host
//
// It accepts or drops nothing that neither comes from nor goes to one of our bridges.
#pragma once

#include <string>
#include <vector>

#include "linux/netlink_socket.h"
#include "network/linux/nft.h"
#include "network/plan.h"

namespace servin::network {

class Table {
 public:
  explicit Table(const std::string& tag);
  const std::string& name() const { return name_; }

  /// Adds elements; those that lead elsewhere are replaced: who adds a port holds its socket. False: the table is
  /// missing or of another layout; rebuild() it.
  bool add(const std::vector<TableElement>& elements);
  /// Those that are there with this value; others stay.
  void remove(const std::vector<TableElement>& elements);
  /// The whole table, new, in one transaction.
  void rebuild(const std::vector<TableElement>& elements);
  void drop();

 private:
  bool holds(const TableElement& element);
  void put_sets(NftTransaction& t) const;
  void put_rules(NftTransaction& t) const;
  void put_elements(NftTransaction& t, const std::vector<TableElement>& elements, bool remove) const;
  std::string name_;
  kernel::NetlinkSocket socket_;
};

}  // namespace servin::network
