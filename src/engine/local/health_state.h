// SPDX-License-Identifier: Apache-2.0
// What the results of health checks say about a container, as docker counts them. Pure; the record of it lies in the
// container's runtime folder (docker's JSON of State.Health) and is written by one check at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/types.h"
#include "shim/client/client.h"

namespace servin::engine {

struct HealthResult {
  Time start, end;
  int exit_code = 0;  // -1: it took too long
  std::string output;
};

struct HealthState {
  std::string status = "starting";  // healthy, unhealthy
  std::int64_t failing_streak = 0;
  std::vector<HealthResult> log;  // the last five, oldest first
};

inline constexpr std::size_t health_log_length = 5;
inline constexpr std::size_t health_output_limit = 4096;

bool has_health_check(const oci::HealthCheck& health);
/// The image's, with what the request says instead; the rest is docker's defaults (30 s, 3 retries).
oci::HealthCheck settle_health(const oci::HealthCheck& request, const oci::HealthCheck& image);
/// When the shim is to check; without the verb.
shim::HealthTimes health_times(const oci::HealthCheck& health);
/// The program of one check.
std::vector<std::string> health_command(const oci::HealthCheck& health);

/// One more result. `running_ns`: how long the container ran when the check began; failures within the start period
/// do not count before the first success. True: the status is another one now.
bool apply_result(HealthState& state, const oci::HealthCheck& health, HealthResult result, std::int64_t running_ns);

std::string to_json(const HealthState& state);
/// Nothing when it is not one.
std::optional<HealthState> parse_health(const std::string& json);

}  // namespace servin::engine
