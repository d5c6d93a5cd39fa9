// SPDX-License-Identifier: Apache-2.0
#include "network/plan.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/error.h"

namespace servin::network {
namespace {

const std::string id_a(64, 'a'), id_b(64, 'b'), box(64, 'c');

Subnet subnet(std::string_view text) { return Subnet::parse(text).value(); }
Address address(std::string_view text) { return Address::parse(text).value(); }

NetworkConfig network(const std::string& id, std::string_view v4, std::string_view v6 = "") {
  NetworkConfig n;
  n.id = id;
  n.name = "net-" + id.substr(0, 1);
  for (auto text : {v4, v6}) {
    if (text.empty()) continue;
    Subnet s = subnet(text);
    n.subnets.push_back({s, s.nth(1), {}});
  }
  return n;
}

Endpoint endpoint(const std::string& id, std::initializer_list<std::string_view> addresses) {
  Endpoint e;
  e.network_id = id;
  for (auto text : addresses) e.addresses.push_back(address(text));
  return e;
}

std::vector<std::string> texts(const std::vector<TableElement>& elements) {
  std::vector<std::string> out;
  for (const auto& e : elements) out.push_back(e.text());
  return out;
}

TEST(Subnet, IsArithmeticOnAddresses) {
  EXPECT_EQ(subnet("10.1.2.3/16").network().text(), "10.1.0.0/16");
  EXPECT_EQ(subnet("10.1.2.3/20").network().text(), "10.1.0.0/20");
  EXPECT_EQ(subnet("0.0.0.0/0").network().text(), "0.0.0.0/0");
  EXPECT_EQ(subnet("fd00:1::5/64").network().text(), "fd00:1::/64");
  EXPECT_TRUE(subnet("10.0.0.0/8").contains(address("10.255.0.1")));
  EXPECT_FALSE(subnet("10.0.0.0/8").contains(address("11.0.0.1")));
  EXPECT_FALSE(subnet("10.0.0.0/8").contains(address("fd00::1")));
  EXPECT_TRUE(subnet("10.0.0.0/8").overlaps(subnet("10.3.0.0/24")));
  EXPECT_TRUE(subnet("10.3.0.0/24").overlaps(subnet("10.0.0.0/8")));
  EXPECT_FALSE(subnet("10.3.0.0/24").overlaps(subnet("10.3.1.0/24")));
  EXPECT_EQ(subnet("10.0.0.0/24").nth(255)->text(), "10.0.0.255");
  EXPECT_FALSE(subnet("10.0.0.0/24").nth(256));
  EXPECT_EQ(subnet("fd00::/64").nth(0x12345)->text(), "fd00::1:2345");
  EXPECT_EQ(subnet("10.0.0.0/16").offset_of(address("10.0.3.132")), 900U);
  EXPECT_EQ(subnet("10.0.0.0/24").broadcast()->text(), "10.0.0.255");
  EXPECT_FALSE(subnet("10.0.0.0/31").broadcast());
  EXPECT_EQ(subnet("10.0.0.0/20").last().text(), "10.0.15.255");
  EXPECT_EQ(subnet("fd00::/120").last().text(), "fd00::ff");
  for (const char* bad : {"10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/", "fd00::/129", "10.0.0.0/-1"})
    EXPECT_FALSE(Subnet::parse(bad)) << bad;
}

TEST(MacAddress, ReadsWhatPeopleWrite) {
  EXPECT_EQ(MacAddress::parse("02:42:AC:11:00:02")->text(), "02:42:ac:11:00:02");
  EXPECT_EQ(MacAddress::parse("02-42-ac-11-00-02")->text(), "02:42:ac:11:00:02");
  for (const char* bad :
       {"", "02:42", "01:00:5e:00:00:01", "00:00:00:00:00:00", "0g:42:ac:11:00:02", "02:42:ac:11:00:022"})
    EXPECT_FALSE(MacAddress::parse(bad)) << bad;
  auto mac = derived_mac(box, id_a);
  EXPECT_EQ(mac, derived_mac(box, id_a));
  EXPECT_NE(mac, derived_mac(box, id_b));
  EXPECT_EQ(mac.bytes[0] & 3U, 2U) << "locally administered, no group";
}

TEST(LinkNames, FitAndDoNotMeet) {
  LinkNames one("0123abcd"), two("0123abce");
  auto n = network(id_a, "10.0.0.0/8");
  for (const auto& name :
       {one.bridge(n), one.bridge(n, 1295), one.trunk(n, 1295), one.trunk_peer(n, 1295), one.endpoint(box, id_a)}) {
    EXPECT_LE(name.size(), 15U) << name;
    EXPECT_TRUE(name.starts_with(one.prefix())) << name;
  }
  EXPECT_NE(one.prefix(), two.prefix());
  EXPECT_NE(one.bridge(n), one.bridge(n, 1));
  EXPECT_NE(one.bridge(n), one.bridge(network(id_b, "10.0.0.0/8")));
  n.bridge_name = "br-mine";
  EXPECT_EQ(one.bridge(n), "br-mine");
  EXPECT_NE(one.bridge(n, 1), "br-mine");
}

TEST(Shards, AreFilledByAddress) {
  auto n = network(id_a, "10.0.0.0/16");
  EXPECT_EQ(shard_of(n, endpoint(id_a, {"10.0.0.2"})), 0U);
  EXPECT_EQ(shard_of(n, endpoint(id_a, {"10.0.3.131"})), 0U);
  EXPECT_EQ(shard_of(n, endpoint(id_a, {"10.0.3.132"})), 1U);
  EXPECT_EQ(shard_of(n, endpoint(id_a, {"10.0.255.254"})), 72U);
  EXPECT_EQ(shard_of(network(id_a, "", "fd00::/64"), endpoint(id_a, {"fd00::385"})), 1U);
}

TEST(PlanEndpoint, LeadsOutByTheGateway) {
  LinkNames names("tag");
  auto n = network(id_a, "10.0.0.0/16", "fd00::/64");
  n.mtu = 1400;
  auto e = plan_endpoint(names, n, box, endpoint(id_a, {"10.0.0.2", "fd00::2"}), true);
  EXPECT_EQ(e.bridge, names.bridge(n));
  EXPECT_EQ(e.host_link, names.endpoint(box, id_a));
  ASSERT_EQ(e.addresses.size(), 2U);
  EXPECT_EQ(e.addresses[0].text(), "10.0.0.2/16");
  EXPECT_EQ(e.addresses[1].text(), "fd00::2/64");
  ASSERT_EQ(e.default_routes.size(), 2U);
  EXPECT_EQ(e.default_routes[0].text(), "10.0.0.1");
  EXPECT_EQ(e.gateways[0].mac, plan_bridge(names, n).mac);
  EXPECT_EQ(e.mtu, 1400U);
  EXPECT_TRUE(plan_endpoint(names, n, box, endpoint(id_a, {"10.0.0.2"}), false).default_routes.empty());
  n.internal = true;
  EXPECT_TRUE(plan_endpoint(names, n, box, endpoint(id_a, {"10.0.0.2"}), true).default_routes.empty());
  EXPECT_THROW(plan_endpoint(names, n, box, endpoint(id_a, {"10.9.0.2"}), true), Error);
}

TEST(PlanEndpoint, OfIpvlanInLayer3HasNoGateway) {
  auto n = network(id_a, "10.0.0.0/16");
  n.driver = Driver::ipvlan;
  n.mode = "l3";
  n.parent = "eth0";
  auto e = plan_endpoint(LinkNames("tag"), n, box, endpoint(id_a, {"10.0.0.2"}), true);
  EXPECT_TRUE(e.device_route);
  EXPECT_TRUE(e.default_routes.empty());
  EXPECT_TRUE(e.host_link.empty());
  n.mode = "l2";
  e = plan_endpoint(LinkNames("tag"), n, box, endpoint(id_a, {"10.0.0.2"}), true);
  EXPECT_FALSE(e.device_route);
  EXPECT_EQ(e.default_routes.size(), 1U);
}

TEST(PlanTable, HasOneElementForEachPort) {
  Endpoint both = endpoint(id_a, {"10.0.0.2", "fd00::2"});
  std::vector<PortMapping> ports = {{std::nullopt, 8080, 80, Protocol::tcp},
                                    {address("127.0.0.1"), 53, 5353, Protocol::udp},
                                    {address("fd00:9::1"), 443, 443, Protocol::sctp}};
  EXPECT_EQ(texts(port_elements(ports, both)),
            (std::vector<std::string>{"any4 tcp 8080 : 10.0.0.2 80", "any6 tcp 8080 : fd00::2 80",
                                      "at4 127.0.0.1 udp 53 : 10.0.0.2 5353", "at6 fd00:9::1 sctp 443 : fd00::2 443"}));
  // Without an address of the family the kernel has nothing to lead to.
  EXPECT_EQ(texts(port_elements(ports, endpoint(id_a, {"10.0.0.2"}))),
            (std::vector<std::string>{"any4 tcp 8080 : 10.0.0.2 80", "at4 127.0.0.1 udp 53 : 10.0.0.2 5353"}));
}

TEST(PlanTable, KnowsWhatNetworksMay) {
  LinkNames names("tag");
  auto open = network(id_a, "10.0.0.0/16"), closed = network(id_b, "10.1.0.0/16");
  closed.internal = true;
  std::string a = names.bridge(open), b = names.bridge(closed);
  EXPECT_EQ(texts(bridge_elements(names, open, 0)),
            (std::vector<std::string>{"bridges " + a, "masked " + a, "same " + a + " " + a,
                                      "own4 " + a + " 10.0.0.0-10.0.255.255"}));
  EXPECT_EQ(texts(bridge_elements(names, closed, 0)),
            (std::vector<std::string>{"bridges " + b, "internal " + b, "same " + b + " " + b,
                                      "own4 " + b + " 10.1.0.0-10.1.255.255"}));
  open.isolated = true;
  open.masquerade = false;
  EXPECT_EQ(texts(bridge_elements(names, open, 0)),
            (std::vector<std::string>{"bridges " + a, "own4 " + a + " 10.0.0.0-10.0.255.255"}));
}

TEST(PlanTable, PublishesAtTheFirstNetworkThatLeadsOut) {
  LinkNames names("tag");
  Inventory inventory;
  inventory.networks = {network(id_a, "10.0.0.0/16"), network(id_b, "10.1.0.0/16")};
  inventory.networks[0].internal = true;
  Attachment first{{box, {endpoint(id_a, {"10.0.0.2"}), endpoint(id_b, {"10.1.0.2"})}, {}}, inventory.networks};
  first.plan.ports = {{std::nullopt, 8080, 80, Protocol::tcp}};
  Attachment later = first;
  later.plan.endpoints[1].addresses = {address("10.1.0.3")};
  inventory.containers = {first, later};
  auto all = texts(plan_elements(names, inventory));
  EXPECT_EQ(std::count(all.begin(), all.end(), "any4 tcp 8080 : 10.1.0.3 80"), 1) << "of the later one";
  first.plan.endpoints.pop_back();
  inventory.containers = {first};
  for (const auto& text : texts(plan_elements(names, inventory))) EXPECT_FALSE(text.starts_with("any4")) << text;
}

TEST(Attachment, ComesBackFromItsBytes) {
  Attachment a{{box, {endpoint(id_a, {"10.0.0.2", "fd00::2"})}, {}}, {network(id_a, "10.0.0.0/16", "fd00::/64")}};
  a.plan.endpoints[0].mac = derived_mac(box, id_b);
  a.plan.endpoints[0].aliases = {"db", "sql"};
  a.plan.ports = {{std::nullopt, 8080, 80, Protocol::tcp}, {address("::1"), 1, 2, Protocol::sctp}};
  a.networks[0].subnets[0].ip_range = subnet("10.0.1.0/24");
  a.networks[0].internal = true;
  a.networks[0].mtu = 1400;
  a.networks[0].bridge_name = "br-x";
  Attachment back = Attachment::decode(a.encode());
  EXPECT_EQ(back.encode(), a.encode());
  EXPECT_EQ(back.plan.ports, a.plan.ports);
  EXPECT_EQ(back.plan.endpoints[0].aliases, a.plan.endpoints[0].aliases);
  EXPECT_EQ(back.networks[0].subnets, a.networks[0].subnets);
  EXPECT_TRUE(back.networks[0].internal);
  for (std::size_t n = 0; n < a.encode().size(); ++n)
    EXPECT_THROW(Attachment::decode(a.encode().substr(0, n)), Error) << n;
}

TEST(PlanSockets, HoldsBothFamilies) {
  auto four = endpoint(id_a, {"10.0.0.2"});
  auto sockets = plan_sockets({std::nullopt, 8080, 80, Protocol::tcp}, four);
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0].address.text(), "0.0.0.0");
  EXPECT_EQ(sockets[1].address.text(), "::");
  EXPECT_EQ(sockets[1].target.text(), "10.0.0.2") << "no IPv6 inside: handed over";
  sockets = plan_sockets({address("127.0.0.1"), 8080, 80, Protocol::tcp}, four);
  ASSERT_EQ(sockets.size(), 1U);
  EXPECT_EQ(sockets[0].address.text(), "127.0.0.1");
}

}  // namespace
}  // namespace servin::network
