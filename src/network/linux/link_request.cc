// SPDX-License-Identifier: Apache-2.0
#include "network/linux/link_request.h"

#include <cerrno>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

namespace servin::network {
namespace {

using kernel::NetlinkBatch;

std::string_view bytes_of(const MacAddress& mac) { return {reinterpret_cast<const char*>(mac.bytes.data()), 6}; }

ifinfomsg up_header(int index = 0) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  return header;
}

void begin_new(NetlinkBatch& batch, const ifinfomsg& header, const std::string& name) {
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header, "make link " + name);
  batch.put_string(IFLA_IFNAME, name);
}

void put_mtu(NetlinkBatch& batch, std::uint32_t mtu) {
  if (mtu != 0) batch.put_u32(IFLA_MTU, mtu);
}

void begin_info(NetlinkBatch& batch, std::string_view kind) {
  batch.begin_nested(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, kind);
  batch.begin_nested(IFLA_INFO_DATA);
}

void end_info(NetlinkBatch& batch) {
  batch.end_nested();
  batch.end_nested();
}

void begin_peer(NetlinkBatch& batch, const ifinfomsg& header, const std::string& name) {
  begin_info(batch, "veth");
  batch.begin_nested(VETH_INFO_PEER);
  batch.put_raw({reinterpret_cast<const char*>(&header), sizeof header});
  batch.put_string(IFLA_IFNAME, name);
}

std::uint32_t macvlan_mode(std::string_view mode) {
  if (mode == "private") return MACVLAN_MODE_PRIVATE;
  if (mode == "vepa") return MACVLAN_MODE_VEPA;
  if (mode == "passthru") return MACVLAN_MODE_PASSTHRU;
  return MACVLAN_MODE_BRIDGE;
}

std::uint16_t ipvlan_mode(std::string_view mode) {
  if (mode == "l3") return IPVLAN_MODE_L3;
  if (mode == "l3s") return IPVLAN_MODE_L3S;
  return IPVLAN_MODE_L2;
}

}  // namespace

void put_bridge(NetlinkBatch& batch, const std::string& name, const std::optional<MacAddress>& mac, std::uint32_t mtu,
                const std::string& alias) {
  begin_new(batch, ifinfomsg{}, name);
  if (mac) batch.put(IFLA_ADDRESS, bytes_of(*mac));
  put_mtu(batch, mtu);
  begin_info(batch, "bridge");
  // Nobody else is on it who could close a ring, and all groups go everywhere: nothing to learn, nothing to wait for.
  batch.put_u32(IFLA_BR_STP_STATE, 0);
  batch.put_u32(IFLA_BR_FORWARD_DELAY, 0);
  batch.put_u8(IFLA_BR_MCAST_SNOOPING, 0);
  end_info(batch);
  // The kernel takes no alias with the request that makes a link of every kind, but with one that changes it.
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{}, "name the owner of " + name);
  batch.put_string(IFLA_IFNAME, name);
  batch.put_string(IFLA_IFALIAS, alias);
}

void put_trunk(NetlinkBatch& batch, const std::string& name, const std::string& peer, std::uint32_t mtu) {
  begin_new(batch, ifinfomsg{}, name);
  put_mtu(batch, mtu);
  begin_peer(batch, ifinfomsg{}, peer);
  put_mtu(batch, mtu);
  batch.end_nested();
  end_info(batch);
}

void put_trunk_end(NetlinkBatch& batch, const std::string& name, int master, bool isolated, const std::string& alias) {
  batch.begin(RTM_NEWLINK, 0, up_header(), "join " + name);
  batch.put_string(IFLA_IFNAME, name);
  batch.put_string(IFLA_IFALIAS, alias);
  batch.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(master));
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{}, "set the bridge port " + name);
  batch.put_string(IFLA_IFNAME, name);
  batch.begin_nested(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_SLAVE_KIND, "bridge");
  batch.begin_nested(IFLA_INFO_SLAVE_DATA);
  batch.put_u8(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
  batch.end_nested();
  batch.end_nested();
}

void put_veth(NetlinkBatch& batch, const EndpointPlan& plan, int master, const Fd& space, const std::string& alias) {
  begin_new(batch, up_header(), plan.host_link);
  batch.put_u32(IFLA_MASTER, static_cast<std::uint32_t>(master));
  put_mtu(batch, plan.mtu);
  begin_peer(batch, ifinfomsg{}, plan.interface);
  batch.put(IFLA_ADDRESS, bytes_of(plan.mac));
  batch.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
  put_mtu(batch, plan.mtu);
  batch.end_nested();
  end_info(batch);
  put_port(batch, plan.host_link, plan.isolated, alias);
}

void put_port(NetlinkBatch& batch, const std::string& name, bool isolated, const std::string& alias) {
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{}, "set the bridge port " + name);
  batch.put_string(IFLA_IFNAME, name);
  batch.put_string(IFLA_IFALIAS, alias);
  batch.begin_nested(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_SLAVE_KIND, "bridge");
  batch.begin_nested(IFLA_INFO_SLAVE_DATA);
  // A container that asks for its own published port: with br_netfilter the bridge itself hands that back to it.
  batch.put_u8(IFLA_BRPORT_MODE, 1);
  batch.put_u8(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
  batch.end_nested();
  batch.end_nested();
}

void put_parented(NetlinkBatch& batch, const EndpointPlan& plan, int parent, const Fd& space) {
  bool mac = plan.driver == Driver::macvlan;
  begin_new(batch, ifinfomsg{}, plan.interface);
  batch.put_u32(IFLA_LINK, static_cast<std::uint32_t>(parent));
  batch.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(space.get()));
  if (mac) batch.put(IFLA_ADDRESS, bytes_of(plan.mac));  // ipvlan: the parent's
  put_mtu(batch, plan.mtu);
  begin_info(batch, mac ? "macvlan" : "ipvlan");
  if (mac)
    batch.put_u32(IFLA_MACVLAN_MODE, macvlan_mode(plan.mode));
  else
    batch.put_u16(IFLA_IPVLAN_MODE, ipvlan_mode(plan.mode));
  end_info(batch);
}

void put_up(NetlinkBatch& batch, const std::string& name, int index) {
  batch.begin(RTM_NEWLINK, 0, up_header(index), "bring up " + name);
}

Error link_error(int error_number, const std::string& name, std::string_view kind, const std::string& words) {
  if (error_number == EOPNOTSUPP)
    return error(ErrorCode::unsupported, "this kernel makes no links of kind {}", kind)
        .with_errno(error_number)
        .with_hint(fmt::format(
            "modprobe {}, or a kernel that has it; networks with --driver bridge need bridge and veth", kind));
  return errno_error(error_number, words.empty() ? "make link " + name : fmt::format("make link {} ({})", name, words));
}

}  // namespace servin::network
