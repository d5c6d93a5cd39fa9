// SPDX-License-Identifier: Apache-2.0
#include "engine/local/health_state.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace servin::engine {
namespace {

constexpr std::int64_t second = 1'000'000'000;

std::uint32_t milliseconds(std::int64_t ns) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ns / 1'000'000, 0, INT32_MAX));
}

}  // namespace

bool has_health_check(const oci::HealthCheck& health) { return health.test.size() > 1 && health.test[0] != "NONE"; }

oci::HealthCheck settle_health(const oci::HealthCheck& request, const oci::HealthCheck& image) {
  oci::HealthCheck h = request;
  if (h.test.empty()) h.test = image.test;
  if (!has_health_check(h)) {
    // NONE stays, so that it is seen in inspect.
    h.test = h.test.empty() || h.test[0] != "NONE" ? std::vector<std::string>{} : std::vector<std::string>{"NONE"};
    return {h.test, 0, 0, 0, 0, 0};
  }
  auto settle = [](std::int64_t& value, std::int64_t of_image, std::int64_t otherwise) {
    if (value == 0) value = of_image != 0 ? of_image : otherwise;
  };
  settle(h.interval, image.interval, 30 * second);
  settle(h.timeout, image.timeout, 30 * second);
  settle(h.start_period, image.start_period, 0);
  settle(h.start_interval, image.start_interval, 5 * second);
  settle(h.retries, image.retries, 3);
  return h;
}

shim::HealthTimes health_times(const oci::HealthCheck& health) {
  shim::HealthTimes times;
  times.interval_ms = std::max(milliseconds(health.interval), 1U);
  times.start_interval_ms = std::max(milliseconds(health.start_interval), 1U);
  times.start_period_ms = milliseconds(health.start_period);
  return times;
}

std::vector<std::string> health_command(const oci::HealthCheck& health) {
  if (health.test.at(0) == "CMD-SHELL") return {"/bin/sh", "-c", health.test.at(1)};
  return {health.test.begin() + 1, health.test.end()};
}

bool apply_result(HealthState& state, const oci::HealthCheck& health, HealthResult result, std::int64_t running_ns) {
  std::string before = state.status;
  if (result.exit_code == 0) {
    state.failing_streak = 0;
    state.status = "healthy";
  } else if (state.status != "starting" || running_ns >= health.start_period) {
    if (++state.failing_streak >= health.retries) state.status = "unhealthy";
  }
  state.log.push_back(std::move(result));
  if (state.log.size() > health_log_length) state.log.erase(state.log.begin());
  return state.status != before;
}

std::string to_json(const HealthState& state) {
  nlohmann::ordered_json log = nlohmann::ordered_json::array();
  for (const auto& r : state.log)
    log.push_back(
        {{"Start", rfc3339(r.start)}, {"End", rfc3339(r.end)}, {"ExitCode", r.exit_code}, {"Output", r.output}});
  nlohmann::ordered_json j = {{"Status", state.status}, {"FailingStreak", state.failing_streak}, {"Log", log}};
  return j.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);  // any bytes come out of a check
}

std::optional<HealthState> parse_health(const std::string& text) {
  try {
    auto j = nlohmann::json::parse(text);
    HealthState state;
    j.at("Status").get_to(state.status);
    j.at("FailingStreak").get_to(state.failing_streak);
    for (const auto& r : j.at("Log")) {
      HealthResult result;
      result.start = parse_time(r.at("Start").get<std::string>()).value_or(Time{});
      result.end = parse_time(r.at("End").get<std::string>()).value_or(Time{});
      r.at("ExitCode").get_to(result.exit_code);
      r.at("Output").get_to(result.output);
      state.log.push_back(std::move(result));
    }
    return state;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace servin::engine
