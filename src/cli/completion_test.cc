// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace servin::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

struct Names final : NameSource {
  std::vector<Suggestion> containers(bool running_only) override {
    if (running_only) return {{"web", ""}};
    return {{"web", ""}, {"old", ""}};
  }
  std::vector<Suggestion> images() override { return {{"alpine", ""}, {"base", ""}, {"localhost:5000/x:1", ""}}; }
  std::vector<Suggestion> volumes() override { return {{"data", ""}, {"db", ""}}; }
  std::vector<Suggestion> networks() override { return {{"mine", "bridge"}}; }
};

std::vector<std::string> words_for(const std::vector<std::string>& line) {
  Names names;
  std::vector<std::string> words;
  for (Suggestion& suggestion : suggest(line, names).list) words.push_back(std::move(suggestion.word));
  return words;
}

TEST(Completion, Commands) {
  EXPECT_THAT(words_for({"ru"}), ElementsAre("run"));
  EXPECT_THAT(words_for({"image", "h"}), ElementsAre("history"));
  EXPECT_THAT(words_for({"image", "template", ""}), ElementsAre("ls", "create"));
  EXPECT_THAT(words_for({""}), Contains("container"));
  EXPECT_THAT(words_for({""}), Not(Contains("compose")));
  EXPECT_THAT(words_for({"--root", "/x", "ru"}), ElementsAre("run"));
  EXPECT_THAT(words_for({"container", "sto"}), ElementsAre("stop"));
}

TEST(Completion, Options) {
  EXPECT_THAT(words_for({"run", "--mem"}), ElementsAre("--memory", "--memory-swap", "--memory-reservation"));
  EXPECT_THAT(words_for({"run", "--publ"}), ElementsAre("--publish", "--publish-all"));
  EXPECT_THAT(words_for({"--ro"}), ElementsAre("--root"));
  EXPECT_THAT(words_for({"rm", "--fo"}), ElementsAre("--force"));
}

TEST(Completion, Names) {
  EXPECT_THAT(words_for({"run", "-it", "b"}), ElementsAre("base"));
  EXPECT_THAT(words_for({"stop", ""}), ElementsAre("web"));
  EXPECT_THAT(words_for({"start", ""}), ElementsAre("web", "old"));
  EXPECT_THAT(words_for({"rm", "web", "o"}), ElementsAre("old"));
  EXPECT_THAT(words_for({"volume", "rm", ""}), ElementsAre("data", "db"));
  EXPECT_THAT(words_for({"exec", "-e", "A=1", "w"}), ElementsAre("web"));
}

TEST(Completion, Values) {
  EXPECT_THAT(words_for({"run", "--network", ""}), ElementsAre("bridge", "none", "host", "mine", "container:"));
  EXPECT_THAT(words_for({"network", "rm", ""}), ElementsAre("mine"));
  EXPECT_THAT(words_for({"run", "--net=h"}), ElementsAre("--net=host"));
  EXPECT_THAT(words_for({"run", "--network", "container:"}), ElementsAre("container:web"));
  EXPECT_THAT(words_for({"run", "--cap-add", "NET_A"}), ElementsAre("NET_ADMIN"));
  EXPECT_THAT(words_for({"kill", "-s", "HU"}), ElementsAre("HUP"));
  EXPECT_THAT(words_for({"run", "-v", "da"}), ElementsAre("data:"));
  EXPECT_THAT(words_for({"run", "--pull", "n"}), ElementsAre("never"));
  EXPECT_THAT(words_for({"completion", "z"}), ElementsAre("zsh"));
  Names names;
  std::vector<std::string> line = {"run", "-v", "/tm"};
  EXPECT_TRUE(suggest(line, names).files);
  line = {"load", "-i", ""};
  EXPECT_TRUE(suggest(line, names).files);
  line = {"--root", ""};
  EXPECT_TRUE(suggest(line, names).folders);
}

TEST(Completion, BehindTheImageTheContainerRules) {
  EXPECT_THAT(words_for({"run", "base", ""}), IsEmpty());
  EXPECT_THAT(words_for({"exec", "web", "ls", "--he"}), IsEmpty());
}

TEST(Completion, LinesAreReadAsAShellDoes) {
  EXPECT_THAT(split_line("servin run  -e 'A=1 2' \"b c\" d\\ e "),
              ElementsAre("servin", "run", "-e", "A=1 2", "b c", "d e", ""));
  EXPECT_THAT(split_line("servin ru"), ElementsAre("servin", "ru"));
}

TEST(Completion, ScriptsRunNothingWhenLoaded) {
  for (const std::string& shell : completion_shells()) {
    std::string script = completion_script(shell);
    EXPECT_NE(script.find("__complete"), std::string::npos);
    EXPECT_LT(script.size(), 2000U);
  }
}

}  // namespace
}  // namespace servin::cli
