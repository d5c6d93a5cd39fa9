// SPDX-License-Identifier: Apache-2.0
#include "engine/local/health_state.h"

#include <gtest/gtest.h>

namespace servin::engine {
namespace {

constexpr std::int64_t second = 1'000'000'000;

oci::HealthCheck check(std::int64_t start_period = 0) {
  return {{"CMD-SHELL", "true"}, second, second, start_period, second, 3};
}

HealthResult result(int code) { return {{.ns = 1}, {.ns = 2}, code, "out"}; }

TEST(Health, OneSuccessIsHealthyAndSoManyFailuresAreNot) {
  HealthState state;
  EXPECT_FALSE(apply_result(state, check(), result(1), second));
  EXPECT_EQ(state.status, "starting");
  EXPECT_TRUE(apply_result(state, check(), result(0), second));
  EXPECT_EQ(state.status, "healthy");
  EXPECT_EQ(state.failing_streak, 0);
  EXPECT_FALSE(apply_result(state, check(), result(1), second));
  EXPECT_FALSE(apply_result(state, check(), result(-1), second));
  EXPECT_EQ(state.status, "healthy");
  EXPECT_TRUE(apply_result(state, check(), result(2), second));
  EXPECT_EQ(state.status, "unhealthy");
  EXPECT_EQ(state.failing_streak, 3);
  EXPECT_TRUE(apply_result(state, check(), result(0), second));
  EXPECT_EQ(state.status, "healthy");
}

TEST(Health, FailuresInTheStartPeriodDoNotCount) {
  HealthState state;
  for (int i = 0; i < 10; ++i) apply_result(state, check(5 * second), result(1), second);
  EXPECT_EQ(state.status, "starting");
  EXPECT_EQ(state.failing_streak, 0);
  for (int i = 0; i < 3; ++i) apply_result(state, check(5 * second), result(1), 5 * second);
  EXPECT_EQ(state.status, "unhealthy");
}

TEST(Health, AfterTheFirstSuccessTheyDo) {
  HealthState state;
  apply_result(state, check(60 * second), result(0), second);
  for (int i = 0; i < 3; ++i) apply_result(state, check(60 * second), result(1), second);
  EXPECT_EQ(state.status, "unhealthy");
}

TEST(Health, TheLastFiveAreKept) {
  HealthState state;
  for (int i = 0; i < 9; ++i) apply_result(state, check(), result(i), second);
  ASSERT_EQ(state.log.size(), 5U);
  EXPECT_EQ(state.log.front().exit_code, 4);
  EXPECT_EQ(state.log.back().exit_code, 8);
}

TEST(Health, TheRecordIsReadAsItWasWritten) {
  HealthState state;
  apply_result(state, check(), {{.ns = 1'700'000'000'000'000'000}, {.ns = 1'700'000'001'000'000'000}, 7, "a\xff"}, 0);
  auto read = parse_health(to_json(state));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, "starting");
  EXPECT_EQ(read->failing_streak, 1);
  ASSERT_EQ(read->log.size(), 1U);
  EXPECT_EQ(read->log[0].exit_code, 7);
  EXPECT_EQ(read->log[0].end.ns, 1'700'000'001'000'000'000);
  EXPECT_FALSE(parse_health(""));
  EXPECT_FALSE(parse_health("{\"Status\":1}"));
}

TEST(Health, TheRequestWinsOverTheImage) {
  oci::HealthCheck image{{"CMD", "/check"}, 7 * second, 0, second, 0, 5};
  auto h = settle_health({}, image);
  EXPECT_EQ(h.test, (std::vector<std::string>{"CMD", "/check"}));
  EXPECT_EQ(h.interval, 7 * second);
  EXPECT_EQ(h.timeout, 30 * second);
  EXPECT_EQ(h.start_interval, 5 * second);
  EXPECT_EQ(h.retries, 5);
  h = settle_health({{"CMD-SHELL", "x"}, second, 0, 0, 0, 0}, image);
  EXPECT_EQ(h.test[1], "x");
  EXPECT_EQ(h.interval, second);
  EXPECT_FALSE(has_health_check(settle_health({{"NONE"}, 0, 0, 0, 0, 0}, image)));
  EXPECT_FALSE(has_health_check(settle_health({}, {})));
  EXPECT_FALSE(has_health_check(settle_health({{}, second, 0, 0, 0, 0}, {})));
}

TEST(Health, Commands) {
  EXPECT_EQ(health_command({{"CMD", "/a", "b"}, 0, 0, 0, 0, 0}), (std::vector<std::string>{"/a", "b"}));
  EXPECT_EQ(health_command({{"CMD-SHELL", "a | b"}, 0, 0, 0, 0, 0}),
            (std::vector<std::string>{"/bin/sh", "-c", "a | b"}));
}

}  // namespace
}  // namespace servin::engine
