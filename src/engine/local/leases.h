// SPDX-License-Identifier: Apache-2.0
// Who is in one network and which addresses are whose, as files, so that two commands never hand out the same:
// ROOT/networks/ID/addresses/ADDRESS holds the container's id, containers/ID what it has there. A container keeps its
// lease until it is removed. The file of an address appears by link(2): who makes it has it; it is replaced and removed
// under ROOT/networks/ID/lock.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/network.h"
#include "os/file.h"

namespace servin::engine {

/// What a container has in a network, running or not.
struct Member {
  std::vector<network::Address> addresses;  // at most one of each family
  std::optional<network::MacAddress> mac;   // asked for
  std::vector<std::string> aliases;

  /// A line each: an address, "mac ADDRESS", "alias NAME". What is not known is skipped.
  std::string encode() const;
  static Member decode(std::string_view text);
};

/// A container's name; nothing when it does not exist (any more).
using NameOf = std::function<std::optional<std::string>(const std::string& container)>;

class Leases {
 public:
  /// `dir`: ROOT/networks/ID. Leases of containers that are not there are up for grabs.
  Leases(std::string dir, NameOf name_of) : dir_(std::move(dir)), name_of_(std::move(name_of)) {}

  /// One address of each family of the network: those that it has, or the lowest free ones. Throws E-SUBNET-FULL.
  std::vector<network::Address> take(const network::NetworkConfig& network, const std::string& container);
  /// Comes into the network with these addresses, and free ones of families that are not among them. Throws
  /// E-ADDRESS-TAKEN naming who has one, E-OPTION-VALUE for one that is none of the network's.
  void enter(const network::NetworkConfig& network, const std::string& container, const Member& wanted);
  void release(const std::string& container);
  std::optional<Member> member(const std::string& container) const;
  /// Containers that exist.
  std::vector<std::string> members() const;

 private:
  FileLock lock() const;
  bool add(const network::Address& address, const std::string& container);
  /// "" = it is ours now; else who has it.
  std::string claim(const network::Address& address, const std::string& container);
  void claim_wanted(const network::NetworkConfig& network, const network::Address& address,
                    const std::string& container);
  network::Address take_one(const network::NetworkConfig& network, const network::SubnetConfig& subnet,
                            const std::string& container);
  void give_up(const network::Address& address, const std::string& container);
  std::string file(const network::Address& a) const { return dir_ + "/addresses/" + a.text(); }
  std::string list(const std::string& container) const { return dir_ + "/containers/" + container; }
  std::string dir_;
  NameOf name_of_;
};

}  // namespace servin::engine
