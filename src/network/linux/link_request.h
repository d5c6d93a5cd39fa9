// SPDX-License-Identifier: Apache-2.0
// The messages that make links. Each link is whole when it appears: a program on the host that watches links (udev,
// NetworkManager) never sees one of ours renamed or moved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "linux/netlink_socket.h"
#include "network/plan.h"
#include "os/fd.h"

namespace servin::network {

/// `mac`: nothing = the kernel's choice.
void put_bridge(kernel::NetlinkBatch& batch, const std::string& name, const std::optional<MacAddress>& mac,
                std::uint32_t mtu, const std::string& alias);
void put_trunk(kernel::NetlinkBatch& batch, const std::string& name, const std::string& peer, std::uint32_t mtu);
/// Whether it is new or has lost its bridge. `isolated`: what comes from the further bridge reaches the first one's
/// address, and none of its other ports.
void put_trunk_end(kernel::NetlinkBatch& batch, const std::string& name, int master, bool isolated,
                   const std::string& alias);
void put_veth(kernel::NetlinkBatch& batch, const EndpointPlan& plan, int master, const Fd& space,
              const std::string& alias);
/// What its port of the bridge does; it has a master already.
void put_port(kernel::NetlinkBatch& batch, const std::string& name, bool isolated, const std::string& alias);
/// macvlan and ipvlan: made on top of a link of the host's, inside of `space`.
void put_parented(kernel::NetlinkBatch& batch, const EndpointPlan& plan, int parent, const Fd& space);
void put_up(kernel::NetlinkBatch& batch, const std::string& name, int index);

/// `unsupported` for a kind that the kernel does not have.
Error link_error(int error_number, const std::string& name, std::string_view kind, const std::string& words);

}  // namespace servin::network
