// SPDX-License-Identifier: Apache-2.0
// ContainerConfig and ContainerState as the JSON texts of the database. Fields at their defaults are left out; unknown
// ones are skipped, so that an older servin reads what a newer one of the same schema wrote.
#pragma once

#include <map>
#include <string>

#include "engine/types.h"

namespace servin::engine {

std::string to_json(const ContainerConfig& config);
/// Throws data_loss naming the container.
ContainerConfig parse_config(const std::string& id, const std::string& json);

std::string to_json(const ContainerState& state);
ContainerState parse_state(const std::string& id, const std::string& json);

std::string to_json(const Network& network);
Network parse_network(const std::string& id, const std::string& json);

std::string to_json(const std::map<std::string, std::string>& map);
std::map<std::string, std::string> parse_map(const std::string& json);

}  // namespace servin::engine
