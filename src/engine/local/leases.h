// SPDX-License-Identifier: Apache-2.0
// Addresses of containers in one network, as files, so that two commands never hand out the same: ROOT/networks/ID/
// addresses/ADDRESS holds the container's id, containers/ID its addresses. A container keeps its lease until it is
// removed. The file appears by link(2): who makes it has it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "network/network.h"

namespace servin::engine {

class Leases {
 public:
  /// `dir`: ROOT/networks/ID. `is_known`: whether a container (still) exists; leases of others are up for grabs.
  Leases(std::string dir, std::function<bool(const std::string& container)> is_known)
      : dir_(std::move(dir)), is_known_(std::move(is_known)) {}

  /// One address of each family of the network: those that it has, or the lowest free ones. Throws E-SUBNET-FULL.
  std::vector<network::Address> take(const network::NetworkConfig& network, const std::string& container);
  void release(const std::string& container);
  std::vector<network::Address> of(const std::string& container) const;
  bool empty() const;

 private:
  bool claim(const network::Address& address, const std::string& container);
  network::Address take_one(const network::NetworkConfig& network, const network::SubnetConfig& subnet,
                            const std::string& container);
  std::string file(const network::Address& a) const { return dir_ + "/addresses/" + a.text(); }
  std::string list(const std::string& container) const { return dir_ + "/containers/" + container; }
  std::string dir_;
  std::function<bool(const std::string&)> is_known_;
};

}  // namespace servin::engine
