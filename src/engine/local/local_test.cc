// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/records.h"
#include "engine/local/spec_parts.h"

namespace servin::engine {
namespace {

TEST(Records, ConfigComesBack) {
  ContainerConfig c;
  c.id = std::string(64, 'a');
  c.image_id = "sha256:x";
  c.args = {"sh", "-c", std::string("bytes \xff\x00 end", 12)};
  c.env = {"A=1"};
  c.labels["k"] = "v";
  c.created.ns = 123456789012345;
  c.request.entrypoint = std::vector<std::string>{""};
  c.request.stop_timeout = -1;
  c.request.isolation = Isolation::none;
  c.request.shm_size = 1;
  c.request.log_options["max-size"] = "1m";
  c.request.mounts.resize(1);
  c.request.mounts[0].target = "/x";
  c.request.mounts[0].type = MountSpec::Type::tmpfs;
  c.request.mounts[0].recursive = false;
  c.request.resources.memory_swap = -1;
  c.request.ulimits.push_back({"nofile", 1, 2});
  ContainerConfig d = parse_config(c.id, to_json(c));
  EXPECT_EQ(to_json(c), to_json(d));
  EXPECT_EQ(d.args, c.args);
  EXPECT_EQ(d.request.entrypoint, c.request.entrypoint);
  EXPECT_EQ(d.request.stop_timeout, -1);
  EXPECT_EQ(d.request.isolation, Isolation::none);
  EXPECT_FALSE(d.request.mounts[0].recursive);
  EXPECT_EQ(d.request.network, "none");
}

TEST(Records, DefaultsAreLeftOut) {
  EXPECT_EQ(to_json(ContainerState{}), "{}");
  EXPECT_LT(to_json(ContainerConfig{}).size(), 20U);
}

TEST(Records, UnknownFieldsAreSkippedAndDamageIsNamed) {
  EXPECT_EQ(parse_state("x", R"({"exit_code":3,"later":[1]})").exit_code, 3);
  for (const char* text : {"", "{", "[]x", R"({"exit_code":"three"})"}) {
    try {
      parse_state(std::string(64, 'b'), text);
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-STATE-DAMAGED");
      EXPECT_NE(e.message().find("bbbbbbbbbbbb"), std::string::npos);
    }
  }
}

TEST(Filters, Text) {
  EXPECT_TRUE(matches_text("web-1", "eb"));
  EXPECT_TRUE(matches_text("web-1", "^web"));
  EXPECT_TRUE(matches_text("web-1", "1$"));
  EXPECT_TRUE(matches_text("web-1", "^/web-1$"));
  EXPECT_FALSE(matches_text("web-1", "^web$"));
  EXPECT_FALSE(matches_text("web-1", "x"));
}

TEST(Filters, LabelsAllHold) {
  std::map<std::string, std::string> labels = {{"a", "1"}, {"b", ""}};
  EXPECT_TRUE(has_labels(labels, {"a", "b"}));
  EXPECT_TRUE(has_labels(labels, {"a=1"}));
  EXPECT_FALSE(has_labels(labels, {"a=1", "c"}));
  EXPECT_FALSE(has_labels(labels, {"a=2"}));
  EXPECT_FALSE(matches_prune({{"label!", {"a"}}}, labels, now()));
  EXPECT_TRUE(matches_prune({{"label!", {"c"}}}, labels, now()));
  EXPECT_FALSE(matches_prune({{"until", {"1h"}}}, labels, now()));
}

TEST(Filters, UnknownKeysNameTheNearest) {
  try {
    check_filter_keys({{"lable", {"x"}}}, {"label", "until"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(e.hint().find("label"), std::string::npos);
  }
}

TEST(Namespaces, ModesDecide) {
  CreateRequest r;
  auto joined = [](const std::string&, std::string_view) { return ProcessId{42, 1}; };
  auto paths = namespace_paths(r, joined);
  for (const char* type : {"mount", "pid", "network", "ipc", "uts", "cgroup"}) EXPECT_EQ(paths.at(type), "") << type;
  r.network = "host";
  r.pid_mode = "container:x";
  r.uts_mode = "host";
  paths = namespace_paths(r, joined);
  EXPECT_EQ(paths.count("network"), 0U);
  EXPECT_EQ(paths.count("uts"), 0U);
  EXPECT_EQ(paths.at("pid"), "/proc/42/ns/pid");
}

}  // namespace
}  // namespace servin::engine
