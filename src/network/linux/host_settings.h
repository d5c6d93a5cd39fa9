// SPDX-License-Identifier: Apache-2.0
// Settings of the host that networks of containers cannot do without. Only ever switched on: others may need them too.
#pragma once

namespace servin::network {

/// The host forwards packets. For IPv6 the host's own links keep listening to router advertisements, which forwarding
/// alone would end: the host would lose its default route minutes later.
void enable_forwarding(bool v4, bool v6);
/// The kernel has one table of neighbours for all network namespaces, of 1,024 entries by default: a few hundred
/// containers that talk to each other fill it, and then nobody finds anybody ("No route to host").
void make_room_for_neighbours(bool v4, bool v6);

}  // namespace servin::network
