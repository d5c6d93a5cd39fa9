// SPDX-License-Identifier: Apache-2.0
// JSON values as YAML 1.2 text, for --format yaml. Only written, never read.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace servin::cli {

std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace servin::cli
