// SPDX-License-Identifier: Apache-2.0
#include "engine/local/network_options.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/local/records.h"

namespace servin::engine {
namespace {

using network::Subnet;

NetworkRequest request(std::vector<std::string> subnets = {}) {
  NetworkRequest r;
  r.name = "mine";
  r.subnets = std::move(subnets);
  return r;
}

std::string id_of(const NetworkRequest& r) {
  try {
    plan_network(r);
    return "";
  } catch (const Error& e) {
    return std::string(e.id());
  }
}

Subnet subnet(std::string_view text) { return Subnet::parse(text).value(); }

TEST(PlanNetwork, LeavesSubnetsToTheEngine) {
  Network n = plan_network(request());
  ASSERT_EQ(n.subnets.size(), 1U);
  EXPECT_TRUE(n.subnets[0].chosen);
  NetworkRequest r = request({"fd00:5::/64"});
  n = plan_network(r);
  ASSERT_EQ(n.subnets.size(), 2U) << "IPv4 is always there";
  EXPECT_TRUE(n.subnets[0].chosen);
  EXPECT_EQ(n.subnets[1].gateway, "fd00:5::1");
  r = request({"10.5.0.0/24"});
  r.ipv6 = true;
  n = plan_network(r);
  ASSERT_EQ(n.subnets.size(), 2U);
  EXPECT_EQ(n.subnets[0].gateway, "10.5.0.1");
  EXPECT_TRUE(n.subnets[1].chosen);
}

TEST(PlanNetwork, PutsGatewaysAndRangesIntoTheirSubnets) {
  NetworkRequest r = request({"fd00:5::/64", "10.5.0.0/16"});
  r.gateways = {"10.5.9.9", "fd00:5::9"};
  r.ip_ranges = {"10.5.128.7/17"};
  Network n = plan_network(r);
  EXPECT_EQ(n.subnets[0].gateway, "fd00:5::9");
  EXPECT_EQ(n.subnets[1].gateway, "10.5.9.9");
  EXPECT_EQ(n.subnets[1].ip_range, "10.5.128.0/17");
  auto config = network_config(n);
  EXPECT_EQ(config.subnet(false)->ip_range, subnet("10.5.128.0/17"));
  EXPECT_EQ(config.subnet(true)->gateway->text(), "fd00:5::9");
  for (auto bad : {"10.5.0.0", "10.5.255.255", "10.6.0.1", "x", ""}) {
    r.gateways = {bad};
    EXPECT_EQ(id_of(r), "E-OPTION-VALUE") << bad;
  }
  r.gateways = {"10.5.0.1", "10.5.0.2"};
  EXPECT_EQ(id_of(r), "E-OPTION-VALUE") << "two of one subnet";
  r.gateways = {};
  for (auto bad : {"10.5.0.0/15", "10.6.0.0/24", "10.5.0.0", ""}) {
    r.ip_ranges = {bad};
    EXPECT_EQ(id_of(r), "E-OPTION-VALUE") << bad;
  }
}

TEST(PlanNetwork, RefusesWhatIsNoSubnet) {
  for (auto bad : {"", "10.5.0.0", "10.5.0.1/24", "10.5.0.0/31", "10.5.0.0/33", "127.0.0.0/24", "224.0.0.0/24",
                   "0.0.0.0/0", "::/0", "fe80::/64", "ff00::/64", "fd00::/127", "mine"})
    EXPECT_EQ(id_of(request({bad})), "E-OPTION-VALUE") << bad;
  EXPECT_EQ(id_of(request({"10.5.0.0/24", "10.6.0.0/24"})), "E-OPTION-VALUE");
  EXPECT_EQ(id_of(request({"10.5.0.0/30"})), "");
}

TEST(PlanNetwork, ReadsOptionsOfTheDriver) {
  NetworkRequest r = request();
  r.options = {{"mtu", "1400"}, {"com.docker.network.bridge.enable_icc", "false"}};
  auto config = network_config(plan_network(r));
  EXPECT_EQ(config.mtu, 1400U);
  EXPECT_TRUE(config.isolated);
  r.driver = "macvlan";
  r.options = {{"parent", "eth0"}, {"macvlan_mode", "private"}};
  config = network_config(plan_network(r));
  EXPECT_EQ(config.driver, network::Driver::macvlan);
  EXPECT_EQ(config.parent, "eth0");
  EXPECT_EQ(config.mode, "private");
  r.options = {};
  EXPECT_EQ(id_of(r), "E-OPTION-CONFLICT") << "no parent";
  r.options = {{"parent", "eth0"}, {"mode", "l3"}};
  EXPECT_EQ(id_of(r), "E-OPTION-VALUE") << "a mode of ipvlan";
  r = request();
  for (auto [key, value] : {std::pair("mtu", "67"),
                            {"mtu", "x"},
                            {"parent", "eth0"},
                            {"icc", "1"},
                            {"com.docker.network.bridge.enable_icc", "maybe"}}) {
    r.options = {{key, value}};
    EXPECT_EQ(id_of(r), "E-OPTION-VALUE") << key;
  }
  r.options = {};
  r.driver = "overlay";
  EXPECT_EQ(id_of(r), "E-OPTION-VALUE");
}

TEST(PlanNetwork, KeepsNamesApartFromModes) {
  for (auto name : {"bridge", "host", "none", "default", "container"}) {
    NetworkRequest r = request();
    r.name = name;
    EXPECT_EQ(id_of(r), "E-NETWORK-BUILT-IN") << name;
  }
  NetworkRequest r = request();
  r.name = "container:x";
  EXPECT_EQ(id_of(r), "E-NAME-INVALID");
}

TEST(ChooseSubnet, BeginsAnywhereAndAvoidsWhatIsTaken) {
  SubnetPool pool{"10.208.0.0/12", 16, 0xffffffff};
  EXPECT_EQ(choose_subnet(pool, {})->text(), "10.223.0.0/16");
  EXPECT_EQ(choose_subnet(pool, {subnet("10.223.4.0/24")})->text(), "10.208.0.0/16");
  EXPECT_EQ(choose_subnet(pool, {subnet("10.223.4.0/24"), subnet("10.208.0.0/13")})->text(), "10.216.0.0/16");
  EXPECT_FALSE(choose_subnet(pool, {subnet("10.0.0.0/8")}));
  EXPECT_FALSE(choose_subnet(pool, {subnet("10.208.0.0/13"), subnet("10.216.0.0/13")}));
}

TEST(ChooseSubnet, WorksInIpv6) {
  SubnetPool pool{"fd01:203:405::/48", 64, 0x1fffe};
  auto first = choose_subnet(pool, {});
  EXPECT_EQ(first->text(), "fd01:203:405:fffe::/64");
  EXPECT_EQ(choose_subnet(pool, {*first})->text(), "fd01:203:405:ffff::/64");
  EXPECT_EQ(choose_subnet(pool, {subnet("fd01:203:405:8000::/49")})->text(), "fd01:203:405::/64");
  EXPECT_FALSE(choose_subnet(pool, {subnet("fd00::/8")}));
}

TEST(ChooseSubnet, OfTwoRootsBeginsElsewhere) {
  std::string id(64, 'a');
  EXPECT_NE(user_pool("0123abcd", id, true).range, user_pool("0123abce", id, true).range);
  EXPECT_EQ(user_pool("0123abcd", id, true).range, user_pool("0123abcd", id, true).range);
  auto chosen = choose_subnet(user_pool("0123abcd", id, false), {});
  EXPECT_EQ(chosen->prefix, 20U);
  EXPECT_TRUE(subnet("10.208.0.0/12").contains(chosen->address));
}

TEST(Records, NetworkComesBack) {
  Network n = plan_network(request({"10.5.0.0/24"}));
  n.labels = {{"k", "v"}};
  n.options = {{"mtu", "1400"}};
  n.internal = true;
  n.created.ns = 5;
  Network back = parse_network(std::string(64, 'a'), to_json(n));
  EXPECT_EQ(to_json(back), to_json(n));
  EXPECT_EQ(back.id, std::string(64, 'a'));
  EXPECT_EQ(back.subnets.at(0).gateway, "10.5.0.1");
  EXPECT_THROW(parse_network(std::string(64, 'a'), "{"), Error);
}

}  // namespace
}  // namespace servin::engine
