// SPDX-License-Identifier: Apache-2.0
#include "oci/health.h"

#include "oci/image.h"
#include "oci/json_strict.h"

namespace servin::oci {

HealthCheck parse_health_check(std::string_view config_json) {
  if (config_json.find("Healthcheck") == std::string_view::npos) return {};
  detail::Json json = detail::parse_strict(config_json, max_config_size, "image config");
  detail::Node root(json, "image config");
  HealthCheck health;
  auto config = root.find("config");
  auto node = config ? config->find("Healthcheck") : std::nullopt;
  if (!node) return health;
  auto number = [&](const char* key) {
    auto value = node->find(key);
    return value ? static_cast<std::int64_t>(value->size()) : 0;
  };
  health.test = node->strings_or_empty("Test");
  health.interval = number("Interval");
  health.timeout = number("Timeout");
  health.start_period = number("StartPeriod");
  health.start_interval = number("StartInterval");
  health.retries = number("Retries");
  return health;
}

}  // namespace servin::oci
