// SPDX-License-Identifier: Apache-2.0
// Settings of the host that networks of containers cannot do without. Only ever switched on: others may need them too.
#pragma once

namespace servin::network {

/// The host forwards packets. For IPv6 the host's own links keep listening to router advertisements, which forwarding
/// alone would end: the host would lose its default route minutes later.
void enable_forwarding(bool v4, bool v6);

}  // namespace servin::network
