// SPDX-License-Identifier: Apache-2.0
#include "network/linux/links.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/time.h"
#include "linux/net_namespace.h"
#include "network/linux/link_request.h"

extern "C" unsigned if_nametoindex(const char* name);

namespace servin::network {

using kernel::NetlinkAttributes;
using kernel::NetlinkBatch;

namespace {

constexpr std::uint32_t skip_statistics = 8;  // RTEXT_FILTER_SKIP_STATS

template <typename T>
T header_of(std::string_view body) {
  T value{};
  std::memcpy(&value, body.data(), std::min(sizeof value, body.size()));
  return value;
}

template <typename T>
NetlinkAttributes attributes_behind(std::string_view body) {
  constexpr std::size_t size = (sizeof(T) + 3) / 4 * 4;
  return NetlinkAttributes(body.size() < size ? std::string_view{} : body.substr(size));
}

std::string_view bytes_of(const MacAddress& mac) { return {reinterpret_cast<const char*>(mac.bytes.data()), 6}; }

unsigned char family_of(const Address& a) { return a.v6 ? AF_INET6 : AF_INET; }

int need_index(const std::string& name) {
  int index = Links::index_of(name);
  if (index == 0) throw error(ErrorCode::not_found, "network link {} is gone", name).with_errno(ENODEV);
  return index;
}

void put_address(NetlinkBatch& batch, int index, const Subnet& s) {
  ifaddrmsg header{};
  header.ifa_family = family_of(s.address);
  header.ifa_prefixlen = static_cast<unsigned char>(s.prefix);
  header.ifa_index = static_cast<unsigned>(index);
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  // The engine hands each address out once; a search for duplicates would keep an IPv6 address unusable for a second.
  if (s.address.v6) header.ifa_flags = IFA_F_NODAD;
  batch.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header, "address " + s.text());
  batch.put(IFA_LOCAL, s.address.wire());
  batch.put(IFA_ADDRESS, s.address.wire());
  if (auto last = s.broadcast()) batch.put(IFA_BROADCAST, last->wire());
}

void put_neighbour(NetlinkBatch& batch, int index, const Address& address, const MacAddress& mac) {
  ndmsg header{};
  header.ndm_family = family_of(address);
  header.ndm_ifindex = index;
  header.ndm_state = NUD_PERMANENT;
  batch.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header, "neighbour " + address.text());
  batch.put(NDA_DST, address.wire());
  batch.put(NDA_LLADDR, bytes_of(mac));
}

rtmsg route_header(bool v6) {
  rtmsg header{};
  header.rtm_family = v6 ? AF_INET6 : AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  return header;
}

void put_default_routes(NetlinkBatch& batch, int index, const EndpointPlan& plan) {
  for (const auto& gateway : plan.default_routes) {
    batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route_header(gateway.v6),
                "default route by " + gateway.text());
    batch.put(RTA_GATEWAY, gateway.wire());
    batch.put_u32(RTA_OIF, static_cast<std::uint32_t>(index));
  }
  if (!plan.device_route) return;
  for (const auto& s : plan.addresses) {
    rtmsg header = route_header(s.address.v6);
    header.rtm_scope = RT_SCOPE_LINK;
    batch.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, header, "default route by " + plan.interface);
    batch.put_u32(RTA_OIF, static_cast<std::uint32_t>(index));
  }
}

}  // namespace

Links::Links() : socket_(NETLINK_ROUTE) {}

int Links::index_of(const std::string& name) { return static_cast<int>(::if_nametoindex(name.c_str())); }

std::vector<Link> Links::list() {
  std::vector<Link> links;
  NetlinkBatch request;
  request.begin(RTM_GETLINK, 0, ifinfomsg{}, "list network links");
  request.put_u32(IFLA_EXT_MASK, skip_statistics);
  auto visit = [&](std::uint16_t type, std::string_view body) {
    if (type != RTM_NEWLINK) return;
    auto header = header_of<ifinfomsg>(body);
    auto a = attributes_behind<ifinfomsg>(body);
    links.push_back({header.ifi_index, a.text(IFLA_IFNAME), a.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND),
                     a.text(IFLA_IFALIAS), static_cast<int>(a.u32(IFLA_MASTER)), (header.ifi_flags & IFF_UP) != 0});
  };
  socket_.dump(request, visit, [&] { links.clear(); });
  return links;
}

void Links::ensure_bridge(const BridgePlan& plan, const std::string& alias) {
  if (index_of(plan.name) == 0) {
    NetlinkBatch batch;
    put_bridge(batch, plan.name, plan.mac, plan.mtu, alias);
    auto failures = socket_.send(batch);
    if (!failures.empty() && failures[0].error != EEXIST)
      throw link_error(failures[0].error, plan.name, "bridge", failures[0].text);
  }
  int index = need_index(plan.name);
  // Before the addresses: the kernel gives none of IPv6 to a link that has it switched off.
  std::string conf = "conf/" + plan.name + "/";
  kernel::write_net_sysctl("ipv6/" + conf + "disable_ipv6", plan.v6 ? "0" : "1");
  if (plan.v6) kernel::write_net_sysctl("ipv6/" + conf + "accept_ra", "0");
  if (plan.v4) kernel::write_net_sysctl("ipv4/" + conf + "route_localnet", "1");
  NetlinkBatch batch;
  for (const auto& s : plan.addresses) put_address(batch, index, s);
  put_up(batch, plan.name, index);
  socket_.apply(batch);
}

void Links::ensure_shard(const std::string& bridge, const std::string& first, const std::string& trunk,
                         const std::string& trunk_peer, std::uint32_t mtu, bool isolated, const std::string& alias) {
  if (index_of(bridge) == 0) {
    NetlinkBatch batch;
    put_bridge(batch, bridge, std::nullopt, mtu, alias);
    auto failures = socket_.send(batch);
    if (!failures.empty() && failures[0].error != EEXIST)
      throw link_error(failures[0].error, bridge, "bridge", failures[0].text);
    kernel::write_net_sysctl("ipv6/conf/" + bridge + "/disable_ipv6", "1");
  }
  if (index_of(trunk) == 0) {
    NetlinkBatch batch;
    put_trunk(batch, trunk, trunk_peer, mtu);
    auto failures = socket_.send(batch);
    if (!failures.empty() && failures[0].error != EEXIST)
      throw link_error(failures[0].error, trunk, "veth", failures[0].text);
  }
  NetlinkBatch up;
  put_up(up, bridge, need_index(bridge));
  put_trunk_end(up, trunk, need_index(first), isolated, alias);
  put_trunk_end(up, trunk_peer, need_index(bridge), false, alias);
  socket_.apply(up);
}

void Links::add_endpoint(const EndpointPlan& plan, const Fd& space, const std::string& alias) {
  const char* kind = plan.driver == Driver::bridge ? "veth" : plan.driver == Driver::macvlan ? "macvlan" : "ipvlan";
  for (bool again : {false, true}) {
    NetlinkBatch batch;
    if (plan.driver == Driver::bridge)
      put_veth(batch, plan, need_index(plan.bridge), space, alias);
    else
      put_parented(batch, plan, need_index(plan.parent), space);
    auto failures = socket_.send(batch);
    if (failures.empty()) return;
    // A namespace that ends takes its links along in its own time: the end of the container's last run may be there.
    if (failures[0].error != EEXIST || again || plan.host_link.empty())
      throw link_error(failures[0].error, plan.host_link.empty() ? plan.interface : plan.host_link, kind,
                       failures[0].text);
    remove(plan.host_link);
  }
}

void Links::remove(const std::string& name) { remove(index_of(name)); }

void Links::remove(int index) {
  if (index == 0) return;
  NetlinkBatch batch;
  ifinfomsg header{};
  header.ifi_index = index;
  batch.begin(RTM_DELLINK, 0, header, fmt::format("remove link {}", index));
  auto failures = socket_.send(batch);
  if (!failures.empty() && failures[0].error != ENODEV)
    throw errno_error(failures[0].error, fmt::format("remove link {}", index));
}

void Links::set_master(const std::string& link, const std::string& bridge, bool isolated, const std::string& alias) {
  NetlinkBatch batch;
  ifinfomsg header{};
  header.ifi_index = need_index(link);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, 0, header, "put " + link + " into " + bridge);
  batch.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(need_index(bridge)));
  put_port(batch, link, isolated, alias);
  socket_.apply(batch);
}

void Links::add_neighbours(const std::string& bridge, const std::vector<Subnet>& addresses, const MacAddress& mac) {
  NetlinkBatch batch;
  int index = need_index(bridge);
  for (const auto& s : addresses) put_neighbour(batch, index, s.address, mac);
  if (!batch.empty()) socket_.apply(batch);
}

void Links::remove_neighbours(const std::string& bridge, const std::vector<Subnet>& addresses) {
  int index = index_of(bridge);
  if (index == 0 || addresses.empty()) return;
  NetlinkBatch batch;
  for (const auto& s : addresses) {
    ndmsg header{};
    header.ndm_family = family_of(s.address);
    header.ndm_ifindex = index;
    batch.begin(RTM_DELNEIGH, 0, header, "neighbour " + s.address.text());
    batch.put(NDA_DST, s.address.wire());
  }
  socket_.send(batch);  // what is not there need not go
}

void Links::configure(const EndpointPlan& plan) {
  int index = need_index(plan.interface);
  std::string conf = "ipv6/conf/" + plan.interface + "/";
  kernel::write_net_sysctl(conf + "disable_ipv6", plan.v6 ? "0" : "1");
  if (plan.v6) {
    // What a neighbour announces is not asked for: the engine says where the way out is.
    kernel::write_net_sysctl(conf + "accept_ra", plan.driver == Driver::bridge ? "0" : "1");
    kernel::write_net_sysctl(conf + "accept_dad", "0");
  }
  NetlinkBatch batch;
  for (const auto& s : plan.addresses) put_address(batch, index, s);
  put_up(batch, plan.interface, index);
  for (const auto& n : plan.gateways) put_neighbour(batch, index, n.address, n.mac);
  put_default_routes(batch, index, plan);
  socket_.apply(batch);
}

void Links::replace_default_routes(const EndpointPlan& plan) {
  NetlinkBatch batch;
  put_default_routes(batch, need_index(plan.interface), plan);
  if (!batch.empty()) socket_.apply(batch);
}

bool Links::is_up(const std::string& name) {
  // A question about one link (not a list) makes newer kernels (6.13) notice at once.
  bool up = false;
  NetlinkBatch request;
  request.begin(RTM_GETLINK, 0, ifinfomsg{}, "look at link " + name);
  request.put_string(IFLA_IFNAME, name);
  request.put_u32(IFLA_EXT_MASK, skip_statistics);
  socket_.ask(request, [&](std::uint16_t, std::string_view body) {
    auto state = attributes_behind<ifinfomsg>(body).find(IFLA_OPERSTATE);
    up = state && !state->empty() && ((*state)[0] == IF_OPER_UP || (*state)[0] == IF_OPER_UNKNOWN);
  });
  return up;
}

namespace {

/// Until `done`, which is asked again whenever something of these groups has changed.
void wait_for(std::uint32_t groups, const std::function<bool()>& done) {
  constexpr std::int64_t patience = 2'000'000'000;
  std::int64_t deadline = monotonic_ns() + patience;
  std::optional<kernel::NetlinkSocket> changes;
  while (!done() && monotonic_ns() < deadline) {
    if (!changes) {
      changes.emplace(NETLINK_ROUTE, groups);
      continue;  // what happened before we listened
    }
    changes->wait_for_news(deadline);
  }
}

}  // namespace

void Links::wait_until_up(const std::vector<std::string>& names) {
  for (const auto& name : names) wait_for(RTMGRP_LINK, [&] { return is_up(name); });
}

bool Links::is_local(const Address& address) {
  bool local = false;
  rtmsg header{};
  header.rtm_family = family_of(address);
  header.rtm_dst_len = static_cast<unsigned char>(address.wire().size() * 8);
  NetlinkBatch request;
  request.begin(RTM_GETROUTE, 0, header, "look for the way to " + address.text());
  request.put(RTA_DST, address.wire());
  socket_.ask(request, [&](std::uint16_t, std::string_view body) {
    local = local || header_of<rtmsg>(body).rtm_type == RTN_LOCAL;
  });
  return local;
}

void Links::wait_until_local(const std::vector<Subnet>& addresses) {
  for (const auto& s : addresses)
    if (s.address.v6) wait_for(RTMGRP_IPV6_ROUTE | RTMGRP_IPV6_IFADDR, [&] { return is_local(s.address); });
}

std::vector<Subnet> Links::used_subnets() {
  std::vector<Subnet> used;
  for (bool v6 : {false, true}) {
    rtmsg header{};
    header.rtm_family = v6 ? AF_INET6 : AF_INET;
    NetlinkBatch request;
    request.begin(RTM_GETROUTE, 0, header, "list routes");
    socket_.dump(request, [&](std::uint16_t type, std::string_view body) {
      auto route = header_of<rtmsg>(body);
      auto destination = attributes_behind<rtmsg>(body).find(RTA_DST);
      if (type != RTM_NEWROUTE || !destination || route.rtm_dst_len == 0 || route.rtm_family != header.rtm_family)
        return;
      Subnet s{Address{v6, {}}, route.rtm_dst_len};
      if (destination->size() != s.address.wire().size()) return;
      std::copy(destination->begin(), destination->end(), s.address.bytes.begin());
      used.push_back(s);
    });
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  return used;
}

}  // namespace servin::network
