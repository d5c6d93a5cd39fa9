// SPDX-License-Identifier: Apache-2.0
#include "engine/local/leases.h"

#include <set>
#include <stdlib.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/local/network_names.h"
#include "os/file.h"

namespace servin::engine {
namespace {

using network::Address;
using network::Subnet;

const std::string one(64, '1'), two(64, '2'), gone(64, '9');

class LeasesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/servin-leases-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    dir_ = path;
    network_.name = "mine";
    network_.subnets = {{*Subnet::parse("10.5.0.0/29"), Address::parse("10.5.0.1"), {}},
                        {*Subnet::parse("fd00:5::/64"), Address::parse("fd00:5::1"), {}}};
  }
  void TearDown() override { remove_tree(dir_); }
  Leases leases() {
    return {dir_,
            [](const std::string& id) { return id == gone ? std::nullopt : std::optional("box-" + id.substr(0, 1)); }};
  }
  std::string error_of(const std::string& container, std::string_view address) {
    try {
      leases().enter(network_, container, {{*Address::parse(address)}, {}, {}});
      return "";
    } catch (const Error& e) {
      return std::string(e.id()) + " " + e.message();
    }
  }
  std::string dir_;
  network::NetworkConfig network_;
};

TEST(Member, ComesBackFromItsText) {
  Member m{{*Address::parse("10.5.0.2"), *Address::parse("fd00::2")},
           network::MacAddress::parse("02:42:0a:00:00:02"),
           {"db", "sql"}};
  Member back = Member::decode(m.encode());
  EXPECT_EQ(back.addresses, m.addresses);
  EXPECT_EQ(back.mac, m.mac);
  EXPECT_EQ(back.aliases, m.aliases);
  EXPECT_TRUE(Member::decode("later thing\nmac x\n\n").addresses.empty());
}

TEST_F(LeasesTest, AreKept) {
  auto first = leases().take(network_, one);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].text(), "10.5.0.2");
  EXPECT_EQ(first[1].text(), "fd00:5::2");
  EXPECT_EQ(leases().take(network_, two)[0].text(), "10.5.0.3");
  EXPECT_EQ(leases().take(network_, one), first);
  EXPECT_EQ(leases().members(), (std::vector<std::string>{one, two}));
  leases().release(one);
  EXPECT_FALSE(leases().member(one));
  EXPECT_EQ(leases().take(network_, std::string(64, '3')), first);
}

TEST_F(LeasesTest, NameWhoHasAnAddress) {
  leases().enter(network_, one, {{*Address::parse("10.5.0.5")}, {}, {"db"}});
  EXPECT_EQ(leases().member(one)->aliases, std::vector<std::string>{"db"});
  EXPECT_EQ(leases().member(one)->addresses.size(), 2U) << "one of IPv6 besides";
  EXPECT_NE(error_of(two, "10.5.0.5").find("E-ADDRESS-TAKEN --ip 10.5.0.5: container box-1"), std::string::npos);
  EXPECT_FALSE(leases().member(two)) << "nothing is left of it";
  EXPECT_NE(error_of(two, "10.5.0.1").find("E-ADDRESS-TAKEN"), std::string::npos);
  EXPECT_NE(error_of(two, "10.6.0.1").find("E-OPTION-VALUE"), std::string::npos);
  EXPECT_NE(error_of(two, "10.5.0.7").find("E-OPTION-VALUE"), std::string::npos);
  EXPECT_EQ(error_of(two, "10.5.0.6"), "");
}

TEST_F(LeasesTest, OfContainersThatAreGoneAreFree) {
  leases().enter(network_, gone, {{*Address::parse("10.5.0.2")}, {}, {}});
  EXPECT_TRUE(leases().members().empty());
  // When there is no other: nobody looks at each of them before.
  for (const char* next : {"10.5.0.3", "10.5.0.4", "10.5.0.5", "10.5.0.6", "10.5.0.2"})
    EXPECT_EQ(leases().take(network_, std::string(64, next[7]))[0].text(), next);
}

TEST_F(LeasesTest, MoveWithTheSubnet) {
  leases().enter(network_, one, {{}, {}, {"db"}});
  network_.subnets[0] = {*Subnet::parse("10.9.0.0/29"), Address::parse("10.9.0.1"), {}};
  EXPECT_EQ(leases().take(network_, one)[0].text(), "10.9.0.2");
  EXPECT_EQ(leases().member(one)->aliases, std::vector<std::string>{"db"});
  EXPECT_FALSE(path_exists(dir_ + "/addresses/10.5.0.2"));
}

TEST_F(LeasesTest, EndWithTheSubnet) {
  std::set<std::string> given;
  for (char c : {'1', '2', '3', '4', '5'}) given.insert(leases().take(network_, std::string(64, c))[0].text());
  EXPECT_EQ(given.size(), 5U);
  EXPECT_THROW(leases().take(network_, std::string(64, '6')), Error);
}

TEST_F(LeasesTest, NamesAreALineAtATime) {
  NetworkNames names(dir_ + "/net");
  int asked = 0;
  auto others = [&] {
    ++asked;
    return std::vector<dns::Endpoint>{{"10.5.0.3", "", two, "two", {}, {}}};
  };
  auto read = [&] { return dns::parse_names(read_file(dir_ + "/net/names").value()); };
  names.remove(one);
  names.rename(one, "x");
  names.add(network_, {"10.5.0.2", "", one, "one", {"db"}, {"9.9.9.9"}}, others);
  EXPECT_EQ(asked, 1) << "there was no file";
  EXPECT_EQ(read().endpoints.size(), 2U);
  EXPECT_EQ(read().gateways, (std::vector<std::string>{"10.5.0.1", "fd00:5::1"}));
  names.add(network_, {"10.5.0.4", "", one, "one", {}, {}}, others);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(read().endpoints.size(), 2U) << "in place of the earlier line";
  EXPECT_EQ(read().endpoints[1].ip4, "10.5.0.4");
  names.rename(two, "other");
  EXPECT_EQ(read().endpoints[0].name, "other");
  names.remove(two);
  EXPECT_EQ(read().endpoints.size(), 1U);
}

}  // namespace
}  // namespace servin::engine
