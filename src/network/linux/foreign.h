// SPDX-License-Identifier: Apache-2.0
// Other people's firewalls. A table of ours cannot allow what another one drops: where iptables-nft's chains FORWARD or
// INPUT drop by policy (dockerd, ufw), two rules in front let our bridges through, and nothing else.
#pragma once

#include <string>
#include <vector>

#include "linux/netlink_socket.h"

namespace servin::network {

/// `links`: names of bridges; one that ends with "*" stands for all that begin so. Adds what is missing. Never throws:
/// a firewall that cannot be read is its owner's; a warning says so.
void allow_in_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark,
                             const std::vector<std::string>& links);
void leave_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark);

}  // namespace servin::network
