// SPDX-License-Identifier: Apache-2.0
#include "image/changes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace servin::image {
namespace {

oci::ImageConfig with(const std::vector<std::string>& changes) {
  oci::ImageConfig config;
  for (const std::string& change : changes) apply_change(config, change);
  return config;
}
using Words = std::vector<std::string>;

TEST(Changes, WhatDockerfilesSay) {
  EXPECT_EQ(with({"CMD echo hello"}).cmd, (Words{"/bin/sh", "-c", "echo hello"}));
  EXPECT_EQ(with({"cmd [\"a\", \"b c\"]"}).cmd, (Words{"a", "b c"}));
  EXPECT_EQ(with({"ENTRYPOINT [\"/e\"]"}).entrypoint, Words{"/e"});
  EXPECT_EQ(with({"ENV A=1 B=\"x y\" C='q \"r\"' D=a\\ b"}).env, (Words{"A=1", "B=x y", "C=q \"r\"", "D=a b"}));
  EXPECT_EQ(with({"ENV A the rest of it"}).env, Words{"A=the rest of it"});
  EXPECT_EQ(with({"ENV\tA\tthe rest"}).env, Words{"A=the rest"});
  EXPECT_EQ(with({"ENV A=1", "ENV B=2", "ENV A=3"}).env, (Words{"B=2", "A=3"}));
  EXPECT_EQ(with({"LABEL a=b c=\"d e\""}).labels, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d e"}}));
  EXPECT_EQ(with({"WORKDIR /srv"}).working_dir, "/srv");
  EXPECT_EQ(with({"USER 1000:1000"}).user, "1000:1000");
  EXPECT_EQ(with({"EXPOSE 80 53/udp"}).exposed_ports, (Words{"80/tcp", "53/udp"}));
  EXPECT_EQ(with({"VOLUME /a /b", "VOLUME [\"/c\"]"}).volumes, (Words{"/a", "/b", "/c"}));
  EXPECT_EQ(with({"STOPSIGNAL SIGQUIT"}).stop_signal, "SIGQUIT");
}

TEST(Changes, HealthChecks) {
  auto health =
      with({"HEALTHCHECK --interval=5s --timeout=1m --start-period=2s --start-interval=1s --retries=4 CMD a | b"})
          .health;
  EXPECT_EQ(health.test, (Words{"CMD-SHELL", "a | b"}));
  constexpr std::int64_t second = 1'000'000'000;
  EXPECT_EQ(health.interval, 5 * second);
  EXPECT_EQ(health.timeout, 60 * second);
  EXPECT_EQ(health.start_period, 2 * second);
  EXPECT_EQ(health.start_interval, second);
  EXPECT_EQ(health.retries, 4);
  EXPECT_EQ(with({"healthcheck cmd [\"/c\", \"x y\"]"}).health.test, (Words{"CMD", "/c", "x y"}));
  EXPECT_EQ(with({"HEALTHCHECK CMD true", "HEALTHCHECK NONE"}).health.test, Words{"NONE"});
  for (const char* bad :
       {"HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK CMD []", "HEALTHCHECK true", "HEALTHCHECK NONE x",
        "HEALTHCHECK --interval=5s NONE", "HEALTHCHECK --interval=5s", "HEALTHCHECK --interval=x CMD true",
        "HEALTHCHECK --retries=0 CMD true", "HEALTHCHECK --every=1s CMD true"})
    EXPECT_THROW(with({bad}), Error) << bad;
}

TEST(Changes, WhatIsNotUnderstoodIsRefused) {
  for (const char* bad :
       {"", "CMD", "RUN x", "FROM x", "COPY a b", "ENV =x", "ENV A=1 B", "WORKDIR srv", "EXPOSE 0", "EXPOSE 70000",
        "EXPOSE 80/icmp", "EXPOSE http", "CMD [\"a\"", "CMD [1]", "LABEL x='y", "ENV A=\xff"})
    EXPECT_THROW(with({bad}), Error) << bad;
}

}  // namespace
}  // namespace servin::image
