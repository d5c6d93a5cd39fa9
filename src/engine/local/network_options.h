// SPDX-License-Identifier: Apache-2.0
// `network create`: what a person wrote -> a network. Pure; which subnets are free is told by the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/network_types.h"
#include "network/network.h"

namespace servin::engine {

/// none, host, bridge and what would read as a mode.
bool is_built_in_network(std::string_view name);

/// Everything but id, time of creation and the subnets that are the engine's choice: those are `chosen`, with an empty
/// text. Throws E-OPTION-VALUE, E-OPTION-CONFLICT, E-NAME-INVALID, E-NETWORK-BUILT-IN.
Network plan_network(const NetworkRequest& request);
/// The same network as network/ takes it.
network::NetworkConfig network_config(const Network& network);

/// Where a network's subnet comes from when nobody says it.
struct SubnetPool {
  std::string range;
  unsigned prefix = 0;
  std::uint64_t start = 0;  // the place at which the search begins
};
/// Of the tag, so that two roots on one machine seldom want the same.
SubnetPool default_pool(const std::string& tag);
SubnetPool user_pool(const std::string& tag, const std::string& network_id, bool v6);
/// The first one from the start on that overlaps none of `taken`; nothing when all do.
std::optional<network::Subnet> choose_subnet(const SubnetPool& pool, const std::vector<network::Subnet>& taken);

}  // namespace servin::engine
