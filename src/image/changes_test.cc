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
  EXPECT_EQ(with({"ENV A=1", "ENV B=2", "ENV A=3"}).env, (Words{"B=2", "A=3"}));
  EXPECT_EQ(with({"LABEL a=b c=\"d e\""}).labels, (std::map<std::string, std::string>{{"a", "b"}, {"c", "d e"}}));
  EXPECT_EQ(with({"WORKDIR /srv"}).working_dir, "/srv");
  EXPECT_EQ(with({"USER 1000:1000"}).user, "1000:1000");
  EXPECT_EQ(with({"EXPOSE 80 53/udp"}).exposed_ports, (Words{"80/tcp", "53/udp"}));
  EXPECT_EQ(with({"VOLUME /a /b", "VOLUME [\"/c\"]"}).volumes, (Words{"/a", "/b", "/c"}));
  EXPECT_EQ(with({"STOPSIGNAL SIGQUIT"}).stop_signal, "SIGQUIT");
}

TEST(Changes, WhatIsNotUnderstoodIsRefused) {
  for (const char* bad :
       {"", "CMD", "RUN x", "FROM x", "COPY a b", "ENV =x", "ENV A=1 B", "WORKDIR srv", "EXPOSE 0", "EXPOSE 70000",
        "EXPOSE 80/icmp", "EXPOSE http", "CMD [\"a\"", "CMD [1]", "LABEL x='y", "ENV A=\xff"})
    EXPECT_THROW(with({bad}), Error) << bad;
}

}  // namespace
}  // namespace servin::image
