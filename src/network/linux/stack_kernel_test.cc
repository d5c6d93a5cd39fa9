// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "base/error.h"
#include "linux/net_namespace.h"
#include "network/linux/links.h"
#include "network/linux/nft.h"
#include "network/linux/stack.h"
#include "network/linux/test_host.h"
#include "os/file.h"

namespace servin::network::testing {
namespace {

PortMapping port(std::uint16_t host, std::uint16_t inside, Protocol protocol = Protocol::tcp) {
  return {std::nullopt, host, inside, protocol};
}

class Stack : public HostTest {};

TEST_F(Stack, PublishesToEverybody) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "10.8.0.0/24")};
  Box web = start({networks_[0]}, {port(8080, 80)}), beside = start({networks_[0]}), far = start({networks_[1]});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1");
  EXPECT_EQ(reach(nullptr, address("192.0.2.1"), 8080, server), "192.0.2.1");
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "192.0.2.2") << "the real source";
  EXPECT_EQ(reach(&far.space, address("192.0.2.1"), 8080, server), "10.8.0.4") << "another network";
  EXPECT_NE(reach(&beside.space, address("192.0.2.1"), 8080, server), "") << "the same network";
  EXPECT_NE(reach(&web.space, address("192.0.2.1"), 8080, server), "") << "itself";
  EXPECT_NE(reach(&web.space, address("10.7.0.1"), 8080, server), "") << "by the gateway";
  EXPECT_EQ(reach(nullptr, web.ip(), 80, server), "10.7.0.1") << "from the host, directly";
}

TEST_F(Stack, PublishesOneAddressOnly) {
  networks_ = {network('a', "10.7.0.0/24")};
  Box web = start(networks_, {{address("127.0.0.1"), 8080, 80, Protocol::tcp}});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1");
  EXPECT_EQ(reach(nullptr, address("192.0.2.1"), 8080, server), "");
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "");
}

TEST_F(Stack, LetsNobodyElseIn) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "10.8.0.0/24")};
  Box web = start({networks_[0]}), neighbour = start({networks_[0]}), far = start({networks_[1]});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(&neighbour.space, web.ip(), 80, server), "10.7.0.3");
  EXPECT_EQ(reach(&far.space, web.ip(), 80, server), "") << "networks are apart";
  EXPECT_EQ(reach(&other_machine(), web.ip(), 80, server), "") << "not published";
  Fd outside = listen_in(&other_machine(), 80);
  EXPECT_EQ(reach(&web.space, address("192.0.2.2"), 80, outside), "192.0.2.1") << "with the host's address";
}

TEST_F(Stack, LeadsNowhereFromAnInternalNetwork) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "10.8.0.0/24")};
  networks_[0].internal = true;
  Box inner = start({networks_[0]}), beside = start({networks_[0]}), web = start({networks_[1]}, {port(8080, 80)});
  Fd server = listen_in(&inner.space, 80), out = listen_in(&other_machine(), 80), host = listen_in(nullptr, 81);
  Fd published = listen_in(&web.space, 80), names = listen_in(nullptr, 53);
  EXPECT_EQ(reach(&beside.space, inner.ip(), 80, server), "10.7.0.3");
  EXPECT_EQ(reach(nullptr, inner.ip(), 80, server), "10.7.0.1") << "the host comes in";
  EXPECT_EQ(reach(&inner.space, address("192.0.2.2"), 80, out), "");
  EXPECT_EQ(reach(&inner.space, address("10.7.0.1"), 81, host), "");
  EXPECT_EQ(reach(&inner.space, address("10.7.0.1"), 8080, published), "");
  EXPECT_EQ(reach(&inner.space, address("10.7.0.1"), 53, names), "10.7.0.2") << "name service";
  // Not even with a route that it gives itself.
  EndpointPlan route;
  route.interface = "eth0";
  route.default_routes = {address("10.7.0.1")};
  kernel::in_net_namespace(inner.space, [&] { Links().replace_default_routes(route); });
  EXPECT_EQ(reach(&inner.space, address("192.0.2.2"), 80, out), "");
  EXPECT_EQ(reach(&inner.space, address("192.0.2.1"), 8080, published), "");
  try {
    start({networks_[0]}, {port(9090, 80)});
    FAIL() << "published from an internal network";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
  }
}

TEST_F(Stack, SpeaksIpv6) {
  networks_ = {network('a', "10.7.0.0/24", "fd00:7::/64"), network('b', "10.8.0.0/24", "fd00:8::/64")};
  Box web = start({networks_[0]}, {port(8080, 80)}), far = start({networks_[1]});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(&other_machine(), address("fd00:9::1"), 8080, server), "fd00:9::2");
  EXPECT_EQ(reach(&far.space, address("fd00:9::1"), 8080, server), "fd00:8::3");
  EXPECT_EQ(reach(nullptr, web.ip(true), 80, server), "fd00:7::1");
  EXPECT_EQ(reach(&far.space, web.ip(true), 80, server), "");
  Fd outside = listen_in(&other_machine(), 80);
  EXPECT_EQ(reach(&web.space, address("fd00:9::2"), 80, outside), "fd00:9::1");
  // ::1 comes to the socket that holds the port.
  auto client = connect_from(nullptr, address("::1"), 8080);
  EXPECT_TRUE(client);
}

TEST_F(Stack, SaysWhoHasAPort) {
  networks_ = {network('a', "10.7.0.0/24")};
  Fd taken = listen_in(nullptr, 8080);
  try {
    start(networks_, {port(8080, 80)});
    FAIL() << "the port is taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-PORT-BUSY");
    EXPECT_NE(e.message().find(fmt::format("pid {}", ::getpid())), std::string::npos) << e.message();
  }
  EXPECT_TRUE(stack().attached().empty());
  taken.reset();
  Box web = start(networks_, {port(8080, 80)});
  EXPECT_THROW(start(networks_, {port(8080, 80)}), Error);
  Box any = start(networks_, {port(0, 80), port(0, 81, Protocol::udp)});
  EXPECT_NE(any.attached.ports[0].host_port, 0);
  EXPECT_NE(any.attached.ports[1].host_port, 0);
}

TEST_F(Stack, IsRepairedAfterAFlush) {
  networks_ = {network('a', "10.7.0.0/24")};
  Box web = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&web.space, 80);
  flush_ruleset();
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "somewhere else") << "at the held socket";
  stack().reload();
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "192.0.2.2");
  flush_ruleset();
  Box next = start(networks_, {port(8081, 80)});
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "192.0.2.2") << "the next start repairs";
  Fd second = listen_in(&next.space, 80);
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8081, second), "192.0.2.2");
}

TEST_F(Stack, IsRepairedWhenItsBridgeIsGone) {
  networks_ = {network('a', "10.7.0.0/24")};
  Box web = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&web.space, 80);
  Links().remove(LinkNames("0123abcd").bridge(networks_[0]));
  EXPECT_EQ(reach(nullptr, web.ip(), 80, server), "");
  stack().reload();
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1");
  Links().remove(LinkNames("0123abcd").bridge(networks_[0]));
  Box next = start(networks_);
  EXPECT_EQ(reach(&next.space, web.ip(), 80, server), "10.7.0.3");
}

TEST_F(Stack, LeavesNothing) {
  auto before = link_names();
  networks_ = {network('a', "10.7.0.0/24", "fd00:7::/64")};
  Box web = start(networks_, {port(8080, 80), port(53, 53, Protocol::udp)});
  std::string id = web.id;
  web = {};
  stack().detach(id);
  EXPECT_TRUE(stack().attached().empty());
  stack().detach(id);
  Box other = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&other.space, 80);
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1") << "the port is the other's now";
  id = other.id;
  other = {};
  stack().detach(id);
  stack().prune();
  EXPECT_EQ(link_names(), before);
  kernel::NetlinkSocket nft(NETLINK_NETFILTER);
  EXPECT_TRUE(list_chains(nft).empty());
}

// The supervisor was killed: its port is somebody else's before anybody cleans up.
TEST_F(Stack, TakesOverAPortOfTheDead) {
  networks_ = {network('a', "10.7.0.0/24")};
  Box dead = start(networks_, {port(8080, 80)});
  std::string id = dead.id;
  dead = {};
  Box web = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1");
  stack().detach(id);
  EXPECT_EQ(reach(nullptr, address("127.0.0.1"), 8080, server), "10.7.0.1") << "cleaning up takes nothing of others";
}

TEST_F(Stack, ConnectsAndDisconnects) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "10.8.0.0/24")};
  Box web = start({networks_[0]}, {port(8080, 80)}), far = start({networks_[1]});
  Fd server = listen_in(&web.space, 80);
  EXPECT_EQ(reach(&far.space, address("10.8.0.9"), 80, server), "");
  Endpoint second{networks_[1].id, {address("10.8.0.9")}, {}, "eth1", {}};
  stack().connect(web.space, web.id, second, networks_[1]);
  EXPECT_EQ(reach(&far.space, address("10.8.0.9"), 80, server), "10.8.0.3");
  stack().disconnect(web.space, web.id, networks_[0].id);
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "192.0.2.2") << "by the network that is left";
  EXPECT_EQ(stack().attachment(web.id)->plan.endpoints.size(), 1U);
}

TEST_F(Stack, KeepsNoSubnetOfANetworkThatItHasLeft) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "10.8.0.0/24")};
  Box web = start({networks_[0]});
  auto subnets = [&] {
    std::vector<std::string> all;
    auto now = stack().attachment(web.id).value();
    for (const auto& n : now.networks) all.push_back(n.subnets.at(0).subnet.text());
    return all;
  };
  stack().connect(web.space, web.id, {networks_[1].id, {address("10.8.0.9")}, {}, "eth1", {}}, networks_[1]);
  EXPECT_EQ(subnets(), (std::vector<std::string>{"10.7.0.0/24", "10.8.0.0/24"}));
  stack().disconnect(web.space, web.id, networks_[1].id);
  EXPECT_EQ(subnets(), (std::vector<std::string>{"10.7.0.0/24"}));
  EXPECT_EQ(Links::index_of(LinkNames("0123abcd").bridge(networks_[1])), 0U);
  networks_[1] = network('b', "10.9.0.0/24");  // it stepped aside
  stack().connect(web.space, web.id, {networks_[1].id, {address("10.9.0.9")}, {}, "eth1", {}}, networks_[1]);
  EXPECT_EQ(subnets(), (std::vector<std::string>{"10.7.0.0/24", "10.9.0.0/24"}));
}

TEST_F(Stack, LeavesNoLinkBehindWhenItCannotConnect) {
  networks_ = {network('a', "10.7.0.0/24"), network('b', "192.0.2.0/24")};
  networks_[0].internal = true;  // so that the way out is to be the other one's
  networks_[1].driver = Driver::macvlan;
  networks_[1].parent = "eth0";
  networks_[1].subnets[0].gateway = address("203.0.113.1");  // which cannot be reached
  Box web = start({networks_[0]});
  auto inside = [&] {
    std::vector<std::string> links;
    kernel::in_net_namespace(web.space, [&] { links = link_names(); });
    return links;
  };
  auto before = inside();
  Endpoint endpoint{networks_[1].id, {address("192.0.2.50")}, {}, "eth1", {}};
  try {
    stack().connect(web.space, web.id, endpoint, networks_[1]);
    FAIL() << "a route by a gateway that is nowhere";
  } catch (const Error& e) {
    if (e.code() == ErrorCode::unsupported) GTEST_SKIP() << e.message();
    EXPECT_NE(std::string(e.what()).find("default route"), std::string::npos) << e.what();
  }
  EXPECT_EQ(inside(), before);
  EXPECT_EQ(stack().attachment(web.id)->plan.endpoints.size(), 1U);
  networks_[1].subnets[0].gateway = address("192.0.2.2");
  stack().connect(web.space, web.id, endpoint, networks_[1]);
  EXPECT_EQ(inside().size(), before.size() + 1);
}

TEST_F(Stack, GetsThroughAFirewallThatDrops) {
  kernel::NetlinkSocket nft(NETLINK_NETFILTER);
  networks_ = {network('a', "10.7.0.0/24")};
  Box web = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&web.space, 80), outside = listen_in(&other_machine(), 80);
  add_dropping_forward(nft);
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "") << "as after the start of dockerd";
  stack().reload();
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8080, server), "192.0.2.2");
  EXPECT_EQ(reach(&web.space, address("192.0.2.2"), 80, outside), "192.0.2.1");
  stack().reload();
  auto rules = [&] { return list_rules(nft, {NFPROTO_IPV4, "filter", "FORWARD", 0, true, true}).size(); };
  EXPECT_EQ(rules(), 2U) << "once";
  stack().remove_all();
  EXPECT_EQ(rules(), 0U);
}

TEST_F(Stack, JoinsBridgesWhenOneIsFull) {
  networks_ = {network('a', "10.7.0.0/20")};
  Box first = start(networks_, {port(8080, 80)});
  Fd server = listen_in(&first.space, 80);
  Box far;
  far.space = NetworkStack::create_namespace();
  far.id = std::string(64, 'e');
  far.endpoints = {{networks_[0].id, {address("10.7.8.0")}, {}, "eth0", {}}};
  far.attached = stack().attach(far.space, {far.id, far.endpoints, {port(8081, 80)}}, networks_);
  EXPECT_EQ(shard_of(networks_[0], far.endpoints[0]), 2U);
  Fd second = listen_in(&far.space, 80);
  EXPECT_EQ(reach(&far.space, first.ip(), 80, server), "10.7.8.0");
  EXPECT_EQ(reach(&first.space, far.ip(), 80, second), "10.7.0.2");
  EXPECT_EQ(reach(&other_machine(), address("192.0.2.1"), 8081, second), "192.0.2.2");
  auto before = link_names().size();
  stack().remove_network(networks_[0]);
  EXPECT_LE(link_names().size(), before - 4) << "two bridges and the pair between them";
}

TEST_F(Stack, PutsAMacvlanOnTheWire) {
  networks_ = {network('a', "192.0.2.0/24")};
  networks_[0].driver = Driver::macvlan;
  networks_[0].parent = "eth0";
  networks_[0].subnets[0].gateway = address("192.0.2.2");
  next_ = 50;
  Box box = start(networks_);
  Fd outside = listen_in(&other_machine(), 80);
  EXPECT_EQ(reach(&box.space, address("192.0.2.2"), 80, outside), "192.0.2.50");
  networks_[0].parent = "eth7";
  EXPECT_THROW(start(networks_), Error);
}

TEST_F(Stack, NamesTheLinkThatTheKernelLacks) {
  networks_ = {network('a', "192.0.2.128/25")};
  networks_[0].driver = Driver::ipvlan;
  networks_[0].parent = "eth0";
  try {
    Box box = start(networks_);
    EXPECT_FALSE(box.endpoints.empty());  // a kernel that has it
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.message();
  }
}

}  // namespace
}  // namespace servin::network::testing
