// SPDX-License-Identifier: Apache-2.0
// Docker's HEALTHCHECK: an extension of the image config that OCI does not have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace servin::oci {

/// Durations in ns; 0 and empty = not said.
struct HealthCheck {
  std::vector<std::string> test;  // {"NONE"}, {"CMD", ...}, {"CMD-SHELL", "command"}
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;
  std::int64_t retries = 0;
};

/// Of an image's config; empty when it has none. Throws invalid_argument naming the field.
HealthCheck parse_health_check(std::string_view config_json);

}  // namespace servin::oci
