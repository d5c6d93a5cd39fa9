// SPDX-License-Identifier: Apache-2.0
#include "network/dns/container_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "network/dns/resolv_conf.h"

namespace servin::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Network = FilesRequest::Network;

const HostFiles host = {"127.0.0.1 localhost\n10.0.0.9 nas",
                        "# made by hand\nnameserver 192.168.1.1\nsearch corp.example lan\noptions edns0 trust-ad\n"};

HostFiles with_servers(const std::string& servers) { return {"", servers + "search corp.example\n"}; }

FilesRequest on_bridge() {
  FilesRequest r;
  r.network = Network::own;
  r.hostname = "box";
  r.addresses = {"10.88.0.2"};
  r.host_addresses = {"10.88.0.1"};
  return r;
}

FilesRequest on_network() {
  FilesRequest r = on_bridge();
  r.resolver = true;
  return r;
}

TEST(ResolvConf, IsReadAsGlibcDoes) {
  auto c = parse_resolv_conf(
      "#nameserver 1.1.1.1\n;x\nnameserver\t10.0.0.1 # why\nnameserver fe80::1%eth0\nnameserver not-an-address\ndomain "
      "a\n"
      "search b.example c.example\noptions ndots:2\r\noptions rotate\nsortlist 1.2.3.4\nnameserver");
  EXPECT_THAT(c.servers, ElementsAre("10.0.0.1", "fe80::1%eth0"));
  EXPECT_THAT(c.search, ElementsAre("b.example", "c.example"));
  EXPECT_THAT(c.options, ElementsAre("ndots:2", "rotate"));
  EXPECT_THAT(parse_resolv_conf("search a\ndomain b").search, ElementsAre("b"));
  EXPECT_EQ(format_resolv_conf({{"1.1.1.1"}, {"a", "b"}, {"rotate"}}),
            "nameserver 1.1.1.1\nsearch a b\noptions rotate\n");
}

TEST(ResolvConf, Loopback) {
  for (const char* yes : {"127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "::ffff:127.0.0.1"})
    EXPECT_TRUE(is_loopback_server(yes)) << yes;
  for (const char* no : {"1.1.1.1", "fe80::1%lo", "128.0.0.1"}) EXPECT_FALSE(is_loopback_server(no)) << no;
  EXPECT_TRUE(is_resolved_stub({{"127.0.0.53"}, {}, {}}));
  EXPECT_FALSE(is_resolved_stub({{"127.0.0.53", "127.0.0.1"}, {}, {}}));
  EXPECT_FALSE(is_resolved_stub({}));
}

TEST(ContainerFiles, HostNetworkCopiesTheHostsOwn) {
  FilesRequest r;
  r.network = Network::host;
  auto f = plan_files(r, host);
  EXPECT_EQ(f.resolv_conf, host.resolv_conf);
  EXPECT_EQ(f.hosts, host.hosts + "\n127.0.0.1\thost.containers.internal host.docker.internal\n");
  r.dns = {"1.1.1.1"};
  r.dns_search = {"."};
  EXPECT_EQ(plan_files(r, host).resolv_conf, "nameserver 1.1.1.1\noptions edns0 trust-ad\n");
  r.dns = {};
  r.dns_search = {"x.example"};
  r.dns_options = {"ndots:3"};
  EXPECT_EQ(plan_files(r, host).resolv_conf, "nameserver 192.168.1.1\nsearch x.example\noptions ndots:3\n");
  EXPECT_FALSE(plan_files(r, host).needs_resolver);
}

TEST(ContainerFiles, NoNetworkAsksNobody) {
  FilesRequest r;
  r.hostname = "box";
  auto f = plan_files(r, host);
  EXPECT_EQ(f.resolv_conf, "");
  EXPECT_THAT(f.hosts, EndsWith("127.0.0.1\tbox\n"));
  EXPECT_THAT(f.hosts, Not(HasSubstr("internal")));
  r.dns = {"10.0.0.1"};
  r.domainname = "d.example";
  EXPECT_EQ(plan_files(r, host).resolv_conf, "nameserver 10.0.0.1\n");
  EXPECT_THAT(plan_files(r, host).hosts, EndsWith("127.0.0.1\tbox.d.example box\n"));
}

TEST(ContainerFiles, BridgeTakesTheHostsServers) {
  auto f = plan_files(on_bridge(), host);
  EXPECT_EQ(f.resolv_conf, "nameserver 192.168.1.1\nsearch corp.example lan\noptions edns0 trust-ad\n");
  EXPECT_FALSE(f.needs_resolver);
  EXPECT_THAT(f.hosts, EndsWith("10.88.0.1\thost.containers.internal host.docker.internal\n10.88.0.2\tbox\n"));
}

TEST(ContainerFiles, ServersThatTheBridgeCannotReachAreReplaced) {
  for (const char* servers : {"nameserver 127.0.0.53\n", "nameserver 127.0.0.1\nnameserver 1.1.1.1\n", "",
                              "nameserver fe80::1%eth0\n", "nameserver 2001:db8::1\n"}) {
    auto f = plan_files(on_bridge(), with_servers(servers));
    EXPECT_TRUE(f.needs_resolver) << servers;
    EXPECT_EQ(f.resolv_conf, "nameserver 10.88.0.1\nsearch corp.example\n") << servers;
  }
  auto r = on_bridge();
  r.addresses.emplace_back("fd00::2");
  auto f = plan_files(r, with_servers("nameserver 2001:db8::1\n"));
  EXPECT_EQ(f.resolv_conf, "nameserver 2001:db8::1\nsearch corp.example\n");
  r.host_addresses.clear();  // macvlan: nobody could answer on the host
  EXPECT_FALSE(plan_files(r, with_servers("nameserver 127.0.0.1\n")).needs_resolver);
}

TEST(ContainerFiles, UserDefinedNetworksAskTheResolver) {
  auto f = plan_files(on_network(), host);
  EXPECT_TRUE(f.needs_resolver);
  EXPECT_EQ(f.resolv_conf, "nameserver 10.88.0.1\nsearch corp.example lan\noptions edns0 trust-ad ndots:0\n");
  auto r = on_network();
  r.dns = {"9.9.9.9"};  // the resolver asks these for what it does not know
  r.dns_options = {"ndots:2"};
  r.dns_search = {"."};
  EXPECT_EQ(plan_files(r, host).resolv_conf, "nameserver 10.88.0.1\noptions ndots:2\n");
  r.dns = {"127.0.0.1"};  // one of the container's own
  EXPECT_EQ(plan_files(r, host).resolv_conf, "nameserver 127.0.0.1\noptions ndots:2\n");
  EXPECT_FALSE(plan_files(r, host).needs_resolver);
  auto two = on_network();
  two.host_addresses = {"10.88.0.1", "10.89.0.1"};
  two.addresses = {"10.88.0.2", "10.89.0.2"};
  EXPECT_THAT(plan_files(two, host).resolv_conf, HasSubstr("nameserver 10.88.0.1\nnameserver 10.89.0.1\n"));
  EXPECT_THAT(plan_files(two, host).hosts, HasSubstr("10.88.0.2\tbox\n10.89.0.2\tbox\n"));
}

TEST(ContainerFiles, ExtraHosts) {
  auto r = on_bridge();
  r.host_addresses = {"10.88.0.1", "fd00::1"};
  r.extra_hosts = {"db:10.0.0.5", "six=[2001:db8::1]", "six:2001:db8::2", "me:host-gateway",
                   "Host.Docker.Internal:10.9.9.9"};
  auto f = plan_files(r, host);
  EXPECT_THAT(f.hosts, HasSubstr("10.0.0.5\tdb\n2001:db8::1\tsix\n2001:db8::2\tsix\n10.88.0.1\tme\nfd00::1\tme\n"
                                 "10.9.9.9\tHost.Docker.Internal\n10.88.0.1\thost.containers.internal\n"));
  EXPECT_THAT(f.hosts, Not(HasSubstr(" host.docker.internal")));
  r.host_addresses.clear();
  try {
    plan_files(r, host);
    FAIL() << "host-gateway without a way to the host";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-OPTION-CONFLICT");
  }
  FilesRequest own;
  own.network = Network::host;
  own.extra_hosts = {"me:host-gateway"};
  EXPECT_THAT(plan_files(own, host).hosts, HasSubstr("127.0.0.1\tme\n"));
}

TEST(ContainerFiles, SharedWithAnother) {
  FilesRequest r;
  r.extra_hosts = {"db:10.0.0.5", "me:host-gateway"};
  auto donor = plan_files(on_network(), host);
  auto f = plan_shared_files(r, {donor.hosts, donor.resolv_conf});
  EXPECT_EQ(f.resolv_conf, donor.resolv_conf);
  EXPECT_EQ(f.hosts, donor.hosts + "10.0.0.5\tdb\n10.88.0.1\tme\n");
  EXPECT_THROW(plan_shared_files(r, {"127.0.0.1 localhost\n", ""}), Error);
}

}  // namespace
}  // namespace servin::dns
