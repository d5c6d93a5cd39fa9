// SPDX-License-Identifier: Apache-2.0
// Other people's firewalls. A table of ours cannot allow what another one drops: a drop in any base chain is final. So
// where a chain of the hooks forward or input drops or rejects whatever it does not know (dockerd, ufw, nftables.conf,
// firewalld), two rules in front of it let our bridges through: forward what they send and get, where our own table
// decides; input name service on the gateway. Nothing else is touched. A comment says whose rules they are.
#pragma once

#include <string>
#include <vector>

#include "linux/netlink_socket.h"

namespace servin::network {

/// `links`: names of bridges; one that ends with "*" stands for all that begin so. Adds what is missing. Never throws:
/// a firewall that cannot be read or changed is its owner's; a warning says which chain drops what.
void allow_in_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark,
                             const std::vector<std::string>& links);
void leave_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark);

}  // namespace servin::network
