// SPDX-License-Identifier: Apache-2.0
// A host of the tests' own: this process in a new network namespace, with an "eth0" that leads to another machine (one
// more namespace). Nothing of the real host's network is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "linux/netlink_socket.h"
#include "network/linux/stack.h"

namespace servin::network::testing {

Subnet subnet(std::string_view text);
Address address(std::string_view text);
NetworkConfig network(char letter, std::string_view v4, std::string_view v6 = "");

struct Box {
  std::string id;
  Fd space;
  Attached attached;
  std::vector<Endpoint> endpoints;
  Address ip(bool v6 = false) const { return endpoints.at(0).address(v6).value(); }
};

class HostTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  NetworkStack& stack();
  /// A container with one address in each of `in`.
  Box start(const std::vector<NetworkConfig>& in, std::vector<PortMapping> ports = {});

  /// "192.0.2.1" here, "192.0.2.2" there (and fd00:9::1, fd00:9::2).
  const Fd& other_machine() const { return other_; }

  std::vector<NetworkConfig> networks_;
  std::string dir_;
  int next_ = 2;  // the last part of the next container's address

 private:
  Fd home_, other_;
  std::optional<NetworkStack> stack_;
};

/// `space` null: the host.
Fd listen_in(const Fd* space, std::uint16_t port, bool udp = false);
/// Nothing when it does not get through.
std::optional<Fd> connect_from(const Fd* space, const Address& to, std::uint16_t port);
/// Connects and takes it at `listener`: the address from which it seems to come; "" = it did not get through.
std::string reach(const Fd* space, const Address& to, std::uint16_t port, const Fd& listener);
void flush_ruleset();
/// What dockerd does to iptables-nft: chain FORWARD of table ip filter, policy drop.
void add_dropping_forward(kernel::NetlinkSocket& nft);
std::vector<std::string> link_names();

}  // namespace servin::network::testing
