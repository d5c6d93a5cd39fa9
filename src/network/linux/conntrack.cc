// SPDX-License-Identifier: Apache-2.0
#include "network/linux/conntrack.h"

#include <algorithm>
#include <set>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "base/error.h"
#include "base/log.h"
#include "linux/netlink_socket.h"

namespace servin::network {
namespace {

constexpr std::uint16_t message_type(int m) { return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | m); }

struct Connection {
  std::uint8_t family = 0;
  std::string tuple;
};

/// Host port of a UDP connection; 0 for others.
std::uint16_t udp_port(const kernel::NetlinkAttributes& tuple) {
  auto protocol = tuple.nested(CTA_TUPLE_PROTO);
  auto number = protocol.find(CTA_PROTO_NUM), port = protocol.find(CTA_PROTO_DST_PORT);
  if (!number || number->empty() || (*number)[0] != IPPROTO_UDP || !port || port->size() < 2) return 0;
  return static_cast<std::uint16_t>(static_cast<unsigned char>((*port)[0]) << 8 |
                                    static_cast<unsigned char>((*port)[1]));
}

std::vector<Connection> find_connections(kernel::NetlinkSocket& socket, const std::set<std::uint16_t>& ports) {
  std::vector<Connection> found;
  for (unsigned char family : {static_cast<unsigned char>(AF_INET), static_cast<unsigned char>(AF_INET6)}) {
    nfgenmsg header{};
    header.nfgen_family = family;
    kernel::NetlinkBatch request;
    request.begin(message_type(IPCTNL_MSG_CT_GET), 0, header, "list connections");
    socket.dump(request, [&](std::uint16_t, std::string_view body) {
      if (body.size() < sizeof header) return;
      auto tuple = kernel::NetlinkAttributes(body.substr(sizeof header)).find(CTA_TUPLE_ORIG);
      if (tuple && ports.contains(udp_port(kernel::NetlinkAttributes(*tuple))))
        found.push_back({family, std::string(*tuple)});
    });
  }
  return found;
}

}  // namespace

void forget_connections(const std::vector<PortMapping>& ports) try {
  std::set<std::uint16_t> numbers;
  for (const auto& p : ports)
    if (p.protocol == Protocol::udp) numbers.insert(p.host_port);
  if (numbers.empty()) return;
  kernel::NetlinkSocket socket(NETLINK_NETFILTER);
  for (const auto& c : find_connections(socket, numbers)) {
    nfgenmsg header{};
    header.nfgen_family = c.family;
    kernel::NetlinkBatch batch;
    batch.begin(message_type(IPCTNL_MSG_CT_DELETE), 0, header, "forget a connection");
    batch.begin_nested(CTA_TUPLE_ORIG);
    batch.put_raw(c.tuple);
    batch.end_nested();
    socket.send(batch);
  }
} catch (const Error& e) {
  log::debug("forget connections: {}", e.what());
}

}  // namespace servin::network
