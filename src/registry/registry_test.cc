// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/error.h"
#include "os/file.h"
#include "registry/credentials.h"
#include "registry/names.h"
#include "registry/toml.h"

namespace servin::registry {
namespace {

using oci::Reference;

NameRules rules_of(const std::string& text) {
  NameRules rules;
  rules.add_file(text, "registries.conf");
  return rules;
}

std::vector<std::string> asked(const std::string& name, const NameRules& rules) {
  std::vector<std::string> list;
  for (const Place& place : places_of(Reference::parse(name), rules))
    list.push_back(place.host + "/" + place.repository + (place.insecure ? " insecure" : "") +
                   (place.mirror ? " mirror" : ""));
  return list;
}

std::string id_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.id();
  }
  return "";
}

TEST(Toml, WhatRegistriesConfNeeds) {
  TomlTable table = parse_toml(R"(
# a comment
list = ["a", 'b',   # here too
  "c",]
text = "x\"y"
yes = true
[aliases]
"with/slash" = "z"
[[registry]]
location = "one"
[[registry.mirror]]
location = "m"
[[registry]]
location = "two"
)",
                               "f");
  EXPECT_THAT(table.lists["list"], testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(table.strings["text"], "x\"y");
  EXPECT_TRUE(table.booleans["yes"]);
  EXPECT_EQ(table.tables["aliases"].strings["with/slash"], "z");
  ASSERT_EQ(table.arrays["registry"].size(), 2U);
  EXPECT_EQ(table.arrays["registry"][0].arrays["mirror"].size(), 1U);
  for (const char* bad :
       {"x", "x =", "[a", "[[a]", "x = \"", "x = [1", "x = \"a\" y", "= 1", "x = [\"a\" \"b\"]", "x = {a=1}"})
    EXPECT_EQ(id_of([&] { parse_toml(bad, "f"); }), "E-REGISTRIES-CONF") << bad;
}

TEST(Names, PlacesInTheirOrder) {
  NameRules rules = rules_of(R"(
[[registry]]
prefix = "docker.io"
location = "hub.internal:5000"
[[registry.mirror]]
location = "mirror/cache"
insecure = true
[[registry.mirror]]
location = "digests"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "docker.io/team"
location = "team.example"
insecure = true
[[registry]]
prefix = "*.evil.example"
blocked = true
)");
  EXPECT_THAT(asked("alpine", rules),
              testing::ElementsAre("mirror/cache/library/alpine insecure mirror", "hub.internal:5000/library/alpine"));
  std::string digest = "@sha256:" + std::string(64, 'a');
  EXPECT_EQ(asked("alpine" + digest, rules).size(), 3U);
  EXPECT_THAT(asked("team/app", rules), testing::ElementsAre("team.example/app insecure"));
  EXPECT_THAT(asked("teamwork/app", rules).back(), "hub.internal:5000/teamwork/app");
  EXPECT_THAT(asked("quay.io/x/y", rules), testing::ElementsAre("quay.io/x/y"));
  EXPECT_EQ(id_of([&] { asked("a.evil.example/x", rules); }), "E-REGISTRY-BLOCKED");
  EXPECT_EQ(id_of([&] { asked("a.evil.example:5000/x", rules); }), "E-REGISTRY-BLOCKED");
  EXPECT_EQ(home_of(Reference::parse("alpine"), rules).host, "hub.internal:5000");
}

TEST(Names, AStarCoversEveryPort) {
  NameRules rules = rules_of(
      "[[registry]]\nprefix = \"*.inner.example\"\ninsecure = true\n"
      "[[registry.mirror]]\nlocation = \"mirror.example/all\"\n"
      "[[registry]]\nprefix = \"*.inner.example:6000\"\nblocked = true\n");
  for (const char* name : {"a.inner.example/x", "a.b.inner.example:5000/x"})
    EXPECT_THAT(asked(name, rules).back(), testing::HasSubstr("insecure")) << name;
  EXPECT_EQ(id_of([&] { asked("a.inner.example:6000/x", rules); }), "E-REGISTRY-BLOCKED");
  EXPECT_EQ(asked("inner.example/x", rules), (std::vector<std::string>{"inner.example/x"}));
}

TEST(Names, Aliases) {
  NameRules rules = rules_of("[aliases]\n\"tool\" = \"quay.io/x/tool\"\n");
  EXPECT_EQ(full_name("tool:2", rules).str(), "quay.io/x/tool:2");
  EXPECT_EQ(full_name("tool", rules).str(), "quay.io/x/tool:latest");
  EXPECT_EQ(full_name("other/tool", rules).str(), "docker.io/other/tool:latest");
  EXPECT_EQ(full_name("r.example/tool", rules).str(), "r.example/tool:latest");
}

std::vector<std::string> meant(const std::string& name, const NameRules& rules) {
  std::vector<std::string> list;
  for (const Reference& reference : candidates(name, rules)) list.push_back(reference.str());
  return list;
}

TEST(Names, ShortNamesAreLookedForInTheirOrder) {
  using testing::ElementsAre;
  NameRules rules = rules_of(
      "unqualified-search-registries = [\"one.example\", \"docker.io\", \"localhost:5000\"]\n"
      "[aliases]\n\"tool\" = \"quay.io/x/tool\"\n");
  EXPECT_THAT(meant("app:1", rules),
              ElementsAre("one.example/app:1", "docker.io/library/app:1", "localhost:5000/app:1"));
  EXPECT_THAT(meant("team/app", rules), ElementsAre("one.example/team/app:latest", "docker.io/team/app:latest",
                                                    "localhost:5000/team/app:latest"));
  EXPECT_THAT(meant("tool:2", rules), ElementsAre("quay.io/x/tool:2"));
  EXPECT_THAT(meant("r.example/app", rules), ElementsAre("r.example/app:latest"));
  EXPECT_THAT(meant("docker.io/app", rules), ElementsAre("docker.io/library/app:latest"));
  EXPECT_THAT(meant("base", rules), ElementsAre("localhost/servin/base:latest"));
  EXPECT_THAT(meant("app", NameRules{}), ElementsAre("docker.io/library/app:latest"));
}

TEST(Names, LaterFilesOfShortNames) {
  NameRules rules =
      rules_of("unqualified-search-registries = [\"one.example\"]\n[aliases]\n\"tool\" = \"a.example/t\"\n");
  rules.add_file("short-name-mode = \"enforcing\"\n[aliases]\n\"tool\" = \"\"\n", "later.conf");
  EXPECT_THAT(meant("tool", rules), testing::ElementsAre("one.example/tool:latest"));  // one place: nothing to ask
  rules.add_file("unqualified-search-registries = [\"one.example\", \"two.example\"]\n", "last.conf");
  EXPECT_TRUE(rules.enforcing);
  rules.add_file("short-name-mode = \"permissive\"\n", "last.conf");
  EXPECT_FALSE(rules.enforcing);
  EXPECT_EQ(candidates("tool", rules).size(), 2U);
  for (const char* bad :
       {"unqualified-search-registries = [\"one.example/x\"]", "unqualified-search-registries = [\"\"]",
        "unqualified-search-registries = [\"noregistry\"]", "short-name-mode = \"sometimes\""})
    EXPECT_EQ(id_of([&] { rules_of(bad); }), "E-REGISTRIES-CONF") << bad;
}

TEST(Base64, BothWays) {
  for (const char* text : {"", "a", "ab", "abc", "me:secret word"}) EXPECT_EQ(from_base64(base64(text)), text);
  EXPECT_EQ(base64("me:x"), "bWU6eA==");
  EXPECT_EQ(from_base64("bWU6eA"), "me:x");
  EXPECT_EQ(from_base64("a"), std::nullopt);
  EXPECT_EQ(from_base64("!!!!"), std::nullopt);
}

class CredentialsTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/servin-credentials-XXXXXX";
    folder_ = ::mkdtemp(folder);
    file_ = folder_ + "/auth.json";
  }
  void TearDown() override { remove_tree(folder_); }
  std::string folder_, file_;
};

TEST_F(CredentialsTest, TheMostSpecialEntryWins) {
  write_file(file_, R"({"auths": {"r.example": {"auth": "YTph"}, "r.example/team": {"auth": "Yjpi"},
                       "https://index.docker.io/v1/": {"username": "c", "password": "c"},
                       "t.example": {"identitytoken": "refresh"}}})");
  EXPECT_EQ(find_credentials("r.example", "other/app", file_).user, "a");
  EXPECT_EQ(find_credentials("r.example", "team/app", file_).user, "b");
  EXPECT_EQ(find_credentials("docker.io", "library/x", file_).user, "c");
  EXPECT_EQ(find_credentials("t.example", "x", file_).identity_token, "refresh");
  EXPECT_TRUE(find_credentials("unknown.example", "x", file_).empty());
  EXPECT_TRUE(find_credentials("r.example", "x", folder_ + "/none").empty());
}

TEST_F(CredentialsTest, StoreAndDrop) {
  write_file(file_, R"({"other": {"kept": true}})");
  Credentials c;
  c.user = "me";
  c.password = "p:w";
  store_credentials("r.example:5000", c, file_);
  store_credentials("docker.io", c, file_);
  EXPECT_EQ(find_credentials("r.example:5000", "x", file_).password, "p:w");
  EXPECT_THAT(*read_file(file_),
              testing::AllOf(testing::HasSubstr("kept"), testing::HasSubstr("https://index.docker.io/v1/")));
  EXPECT_TRUE(drop_credentials("r.example:5000", file_));
  EXPECT_FALSE(drop_credentials("r.example:5000", file_));
  EXPECT_TRUE(find_credentials("r.example:5000", "x", file_).empty());
}

TEST_F(CredentialsTest, DamagedFiles) {
  for (const char* text : {"{", "[]", R"({"auths": {"r": {"auth": "???"}}})", R"({"auths": {"r": 1}})",
                           R"({"auths": {"r": {"auth": "YQ=="}}})"}) {
    write_file(file_, text);
    EXPECT_EQ(id_of([&] { find_credentials("r", "x", file_); }), "E-AUTH-FILE") << text;
  }
}

}  // namespace
}  // namespace servin::registry
