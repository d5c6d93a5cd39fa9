// SPDX-License-Identifier: Apache-2.0
#include "network/linux/test_host.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include "base/error.h"
#include "linux/net_namespace.h"
#include "linux/process.h"
#include "network/linux/links.h"
#include "os/file.h"

namespace servin::network::testing {
namespace {

void in(const Fd* space, const std::function<void()>& work) {
  if (space == nullptr)
    work();
  else
    kernel::in_net_namespace(*space, work);
}

void add_wire(const Fd& space) {
  kernel::NetlinkBatch batch;
  ifinfomsg header{};
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header, "wire");
  batch.put_string(IFLA_IFNAME, "eth0");
  batch.begin_nested(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, "veth");
  batch.begin_nested(IFLA_INFO_DATA);
  batch.begin_nested(VETH_INFO_PEER);
  batch.put_raw({reinterpret_cast<const char*>(&header), sizeof header});
  batch.put_string(IFLA_IFNAME, "eth0");
  batch.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
  batch.end_nested();
  batch.end_nested();
  batch.end_nested();
  kernel::NetlinkSocket(NETLINK_ROUTE).apply(batch);
}

EndpointPlan end_of_wire(std::string_view v4, std::string_view v6, std::string_view way_out) {
  EndpointPlan e;
  e.interface = "eth0";
  e.addresses = {subnet(v4), subnet(v6)};
  e.v6 = true;
  if (!way_out.empty()) e.default_routes = {address(way_out)};
  return e;
}

}  // namespace

Subnet subnet(std::string_view text) { return Subnet::parse(text).value(); }
Address address(std::string_view text) { return Address::parse(text).value(); }

NetworkConfig network(char letter, std::string_view v4, std::string_view v6) {
  NetworkConfig n;
  n.id = std::string(64, letter);
  n.name = std::string("net-") + letter;
  for (auto text : {v4, v6}) {
    if (text.empty()) continue;
    Subnet s = subnet(text);
    n.subnets.push_back({s, s.nth(1), {}});
  }
  return n;
}

void HostTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  home_ = open_file("/proc/thread-self/ns/net", O_RDONLY);
  other_ = kernel::make_net_namespace();
  kernel::unshare_namespaces(CLONE_NEWNET, "a host of its own");
  kernel::bring_up_loopback();
  add_wire(other_);
  Links().configure(end_of_wire("192.0.2.1/24", "fd00:9::1/64", ""));
  kernel::in_net_namespace(other_, [] { Links().configure(end_of_wire("192.0.2.2/24", "fd00:9::2/64", "192.0.2.1")); });
  Links().wait_until_up({"eth0"});
  kernel::in_net_namespace(other_, [] { Links().wait_until_up({"eth0"}); });
  char folder[] = "/tmp/servin-net-XXXXXX";
  dir_ = ::mkdtemp(folder);
}

void HostTest::TearDown() {
  stack_.reset();
  if (!home_) return;
  kernel::join_namespaces(home_, CLONE_NEWNET, "the host's network");
  remove_tree(dir_);
}

NetworkStack& HostTest::stack() {
  if (!stack_) stack_.emplace(StackConfig{"0123abcd", dir_, [this] { return networks_; }});
  return *stack_;
}

Box HostTest::start(const std::vector<NetworkConfig>& networks, std::vector<PortMapping> ports) {
  Box box;
  box.id = std::string(62, 'f') + std::to_string(10 + next_);
  box.space = NetworkStack::create_namespace();
  for (const auto& n : networks) {
    Endpoint e;
    e.network_id = n.id;
    for (const auto& s : n.subnets) e.addresses.push_back(s.subnet.nth(static_cast<std::uint64_t>(next_)).value());
    e.interface = "eth" + std::to_string(box.endpoints.size());
    box.endpoints.push_back(e);
  }
  ++next_;
  box.attached = stack().attach(box.space, {box.id, box.endpoints, std::move(ports)}, networks);
  return box;
}

Fd listen_in(const Fd* space, std::uint16_t port, bool udp) {
  Fd fd;
  in(space, [&] {
    fd.reset(::socket(AF_INET6, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_storage raw{};
    socklen_t size = dns::SocketAddress{Address{true, {}}, port, 0}.fill(raw);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0) throw_errno("bind");
    if (!udp && ::listen(fd.get(), 16) != 0) throw_errno("listen");
  });
  return fd;
}

std::optional<Fd> connect_from(const Fd* space, const Address& to, std::uint16_t port) {
  std::optional<Fd> result;
  in(space, [&] {
    sockaddr_storage raw{};
    socklen_t size = dns::SocketAddress{to, port, 0}.fill(raw);
    Fd fd(::socket(raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0 && errno != EINPROGRESS) return;
    pollfd p{fd.get(), POLLOUT, 0};
    constexpr int patience = 700;  // ms; what is dropped never comes
    int failure = 0;
    socklen_t length = sizeof failure;
    if (::poll(&p, 1, patience) != 1) return;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failure, &length) != 0 || failure != 0) return;
    result = std::move(fd);
  });
  return result;
}

std::string reach(const Fd* space, const Address& to, std::uint16_t port, const Fd& listener) {
  auto client = connect_from(space, to, port);
  if (!client) return "";
  pollfd p{listener.get(), POLLIN, 0};
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  if (::poll(&p, 1, 2000) != 1) return "somewhere else";
  Fd taken(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&raw), &size, SOCK_CLOEXEC));
  return dns::SocketAddress::from(raw).address.text();
}

void flush_ruleset() {
  kernel::NetlinkBatch batch;
  nfgenmsg begin{}, all{};
  begin.res_id = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8);
  batch.begin(NFNL_MSG_BATCH_BEGIN, 0, begin, "begin");
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 0, all, "flush");
  batch.begin(NFNL_MSG_BATCH_END, 0, begin, "end");
  kernel::NetlinkSocket(NETLINK_NETFILTER).apply(batch);
}

void add_dropping_forward(kernel::NetlinkSocket& nft) {
  kernel::NetlinkBatch batch;
  nfgenmsg begin{}, ip{};
  begin.res_id = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8);
  ip.nfgen_family = NFPROTO_IPV4;
  batch.begin(NFNL_MSG_BATCH_BEGIN, 0, begin, "begin");
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE, ip, "table");
  batch.put_string(NFTA_TABLE_NAME, "filter");
  batch.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE, ip, "chain");
  batch.put_string(NFTA_CHAIN_TABLE, "filter");
  batch.put_string(NFTA_CHAIN_NAME, "FORWARD");
  batch.begin_nested(NFTA_CHAIN_HOOK);
  batch.put_be32(NFTA_HOOK_HOOKNUM, NF_INET_FORWARD);
  batch.put_be32(NFTA_HOOK_PRIORITY, 0);
  batch.end_nested();
  batch.put_string(NFTA_CHAIN_TYPE, "filter");
  batch.put_be32(NFTA_CHAIN_POLICY, NF_DROP);
  batch.begin(NFNL_MSG_BATCH_END, 0, begin, "end");
  nft.apply(batch);
}

std::vector<std::string> link_names() {
  std::vector<std::string> names;
  for (const auto& link : Links().list()) names.push_back(link.name);
  return names;
}

}  // namespace servin::network::testing
