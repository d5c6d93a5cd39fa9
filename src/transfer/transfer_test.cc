// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "transfer/address.h"
#include "transfer/challenge.h"
#include "transfer/http.h"
#include "transfer/url.h"

namespace servin::transfer {
namespace {

Reach reach(const std::string& text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) return reach_of(reinterpret_cast<const sockaddr&>(v4));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
  return reach_of(reinterpret_cast<const sockaddr&>(v6));
}

TEST(Address, Reach) {
  for (const char* text : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"})
    EXPECT_EQ(reach(text), Reach::everywhere) << text;
  for (const char* text : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1",
                           "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"})
    EXPECT_EQ(reach(text), Reach::private_net) << text;
  for (const char* text : {"127.0.0.1", "127.255.0.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"})
    EXPECT_EQ(reach(text), Reach::this_machine) << text;
  for (const char* text : {"169.254.169.254", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1",
                           "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"})
    EXPECT_EQ(reach(text), Reach::link) << text;
}

TEST(Address, Hosts) {
  EXPECT_EQ(reach_of_host("localhost"), Reach::this_machine);
  EXPECT_EQ(reach_of_host("x.localhost"), Reach::this_machine);
  EXPECT_EQ(reach_of_host("127.1"), Reach::this_machine);
  EXPECT_EQ(reach_of_host("0x7f000001"), Reach::this_machine);
  EXPECT_EQ(reach_of_host("[::1]"), Reach::this_machine);
  EXPECT_EQ(reach_of_host("2852039166"), Reach::link);  // 169.254.169.254 as one number
  EXPECT_EQ(reach_of_host("registry.example"), std::nullopt);
}

TEST(Address, WhoMayLeadWhere) {
  EXPECT_TRUE(may_lead(Reach::everywhere, Reach::everywhere));
  EXPECT_FALSE(may_lead(Reach::everywhere, Reach::private_net));
  EXPECT_FALSE(may_lead(Reach::everywhere, Reach::this_machine));
  EXPECT_FALSE(may_lead(Reach::everywhere, Reach::link));
  EXPECT_TRUE(may_lead(Reach::private_net, Reach::private_net));
  EXPECT_FALSE(may_lead(Reach::private_net, Reach::this_machine));
  EXPECT_TRUE(may_lead(Reach::this_machine, Reach::private_net));
  EXPECT_FALSE(may_lead(Reach::this_machine, Reach::link));
}

TEST(Address, OneSite) {
  for (auto [a, b] : {std::pair("registry-1.docker.io", "auth.docker.io"),
                      {"registry.gitlab.com", "gitlab.com"},
                      {"us.icr.io", "icr.io"},
                      {"r.example", "R.example"},
                      {"127.0.0.1", "127.0.0.1"},
                      {"a.shop.co.uk", "b.shop.co.uk"}})
    EXPECT_TRUE(same_site(a, b)) << a << " " << b;
  for (auto [a, b] : {std::pair("r.example", "evil.example"),
                      {"docker.io", "notdocker.io"},
                      {"a.co.uk", "b.co.uk"},
                      {"10.0.0.1", "10.0.0.2"},
                      {"1.2.3.4", "5.6.3.4"},
                      {"[::1]", "[::2]"},
                      {"host", "other"}})
    EXPECT_FALSE(same_site(a, b)) << a << " " << b;
}

TEST(Address, NoProxy) {
  EXPECT_TRUE(is_exempt("a.example.com", "443", "example.com"));
  EXPECT_TRUE(is_exempt("a.example.com", "443", "other, .EXAMPLE.com"));
  EXPECT_TRUE(is_exempt("example.com", "443", ".example.com"));
  EXPECT_FALSE(is_exempt("badexample.com", "443", "example.com"));
  EXPECT_TRUE(is_exempt("x", "1", "*"));
  EXPECT_TRUE(is_exempt("10.1.2.3", "443", "10.0.0.0/8"));
  EXPECT_FALSE(is_exempt("11.1.2.3", "443", "10.0.0.0/8"));
  EXPECT_TRUE(is_exempt("[fd00::1]", "443", "fd00::/9"));
  EXPECT_TRUE(is_exempt("host", "5000", "host:5000"));
  EXPECT_FALSE(is_exempt("host", "443", "host:5000"));
  EXPECT_FALSE(is_exempt("host", "443", ""));
  EXPECT_FALSE(is_exempt("10.1.2.3", "443", "10.0.0.0/99"));
}

TEST(Challenge, Headers) {
  auto list =
      parse_challenges(R"(Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push")");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].scheme, "bearer");
  EXPECT_EQ(list[0].values.at("realm"), "https://auth.example/token");
  EXPECT_EQ(list[0].values.at("scope"), "repository:a/b:pull,push");
  list = parse_challenges(R"(Basic realm="a \"b\", c", BEARER Realm=x , error="invalid_token")");
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].values.at("realm"), R"(a "b", c)");
  EXPECT_EQ(list[1].scheme, "bearer");
  EXPECT_EQ(list[1].values.at("realm"), "x");
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges(",,, =").empty());
  EXPECT_EQ(parse_challenges("Bearer realm=\"no end").at(0).values.size(), 0U);
}

TEST(Url, Resolving) {
  EXPECT_EQ(resolve_url("https://a.example/v2/x", "/v2/y"), "https://a.example/v2/y");
  EXPECT_EQ(resolve_url("https://a.example/v2/x", "https://b.example/z?q=1"), "https://b.example/z?q=1");
  EXPECT_EQ(resolve_url("https://a.example/", "file:///etc/passwd"), std::nullopt);
  EXPECT_EQ(resolve_url("https://a.example/", "ftp://b.example/"), std::nullopt);
  EXPECT_EQ(resolve_url("https://a.example/", "https://user:word@b.example/"), std::nullopt);
  EXPECT_EQ(parts_of("https://A.example/x").origin(), "https://a.example:443");
  EXPECT_EQ(url_escape("a b/c&d"), "a%20b%2Fc%26d");
}

}  // namespace
}  // namespace servin::transfer
