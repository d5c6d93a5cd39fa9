// SPDX-License-Identifier: Apache-2.0
#include "oci/health.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace servin::oci {
namespace {

TEST(HealthCheck, IsReadFromAnImagesConfig) {
  auto h = parse_health_check(
      R"({"config":{"Healthcheck":{"Test":["CMD","/c"],"Interval":5,"Timeout":6,"StartPeriod":7,"StartInterval":8,"Retries":9}}})");
  EXPECT_EQ(h.test, (std::vector<std::string>{"CMD", "/c"}));
  EXPECT_EQ(h.interval, 5);
  EXPECT_EQ(h.timeout, 6);
  EXPECT_EQ(h.start_period, 7);
  EXPECT_EQ(h.start_interval, 8);
  EXPECT_EQ(h.retries, 9);
  EXPECT_TRUE(parse_health_check("{}").test.empty());
  EXPECT_TRUE(parse_health_check(R"({"config":{"Healthcheck":null}})").test.empty());
  EXPECT_TRUE(parse_health_check(R"({"config":null,"x":"Healthcheck"})").test.empty());
}

TEST(HealthCheck, WhatIsDamagedIsTold) {
  for (const char* bad :
       {R"({"config":{"Healthcheck":1}})", R"({"config":{"Healthcheck":{"Test":"x"}}})",
        R"({"config":{"Healthcheck":{"Interval":"5s"}}})", R"({"config":{"Healthcheck":{"Retries":-1}}})"})
    EXPECT_THROW(parse_health_check(bad), Error) << bad;
}

}  // namespace
}  // namespace servin::oci
