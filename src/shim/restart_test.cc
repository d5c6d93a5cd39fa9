// SPDX-License-Identifier: Apache-2.0
#include "shim/client/restart.h"

#include <gtest/gtest.h>

#include "os/file.h"

namespace servin::shim {
namespace {

constexpr std::int64_t second = 1'000'000'000;

TEST(Restart, BacksOffFromATenthOfASecondToAMinute) {
  std::uint32_t delay = 0;
  std::vector<std::uint32_t> seen;
  for (int i = 0; i < 12; ++i) seen.push_back(delay = next_delay_ms(delay, second));
  EXPECT_EQ(seen,
            (std::vector<std::uint32_t>{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000}));
}

TEST(Restart, BeginsAnewAfterTenSecondsOfRunning) {
  EXPECT_EQ(next_delay_ms(51200, 10 * second), 100U);
  EXPECT_EQ(next_delay_ms(51200, 10 * second - 1), 60000U);
  EXPECT_EQ(next_delay_ms(UINT32_MAX, 0), 60000U);
}

TEST(Restart, PoliciesDecide) {
  auto wants = [](RestartPolicy policy, int code, bool by_hand = false) {
    return wants_restart({.policy = policy, .max_retries = 0, .count = 7, .delay_ms = 0, .verb = {}, .counted_for = 0},
                         code, by_hand);
  };
  EXPECT_FALSE(wants(RestartPolicy::no, 1));
  EXPECT_TRUE(wants(RestartPolicy::always, 0));
  EXPECT_TRUE(wants(RestartPolicy::unless_stopped, 0));
  EXPECT_TRUE(wants(RestartPolicy::on_failure, 1));
  EXPECT_FALSE(wants(RestartPolicy::on_failure, 0));
  for (auto policy : {RestartPolicy::always, RestartPolicy::unless_stopped, RestartPolicy::on_failure})
    EXPECT_FALSE(wants(policy, 1, true));
}

TEST(Restart, OnFailureGivesUpAfterItsRetries) {
  RestartRecord record{
      .policy = RestartPolicy::on_failure, .max_retries = 3, .count = 2, .delay_ms = 0, .verb = {}, .counted_for = 0};
  EXPECT_TRUE(wants_restart(record, 1, false));
  record.count = 3;
  EXPECT_FALSE(wants_restart(record, 1, false));
}

TEST(Restart, TheRecordIsReadAsItWasWritten) {
  std::string dir = testing::TempDir() + "servin-restart-test";
  make_dirs(dir);
  write_restart(dir, {.policy = RestartPolicy::on_failure,
                      .max_retries = 5,
                      .count = 2,
                      .delay_ms = 400,
                      .verb = {"/a", "b"},
                      .counted_for = 1'700'000'000'123'456'789});
  auto read = read_restart(dir);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->max_retries, 5U);
  EXPECT_EQ(read->count, 2U);
  EXPECT_EQ(read->delay_ms, 400U);
  EXPECT_EQ(read->verb, (std::vector<std::string>{"/a", "b"}));
  EXPECT_EQ(read->counted_for, 1'700'000'000'123'456'789);
  // One that an older version left ends before that.
  std::string bytes = read_file(dir + "/restart").value();
  write_file(dir + "/restart", bytes.substr(0, bytes.size() - 8));
  read = read_restart(dir);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->counted_for, 0);
  EXPECT_EQ(read->verb.size(), 2U);
  write_file(dir + "/restart", "x");
  EXPECT_FALSE(read_restart(dir));
  remove_tree(dir);
  EXPECT_FALSE(read_restart(dir));
}

}  // namespace
}  // namespace servin::shim
