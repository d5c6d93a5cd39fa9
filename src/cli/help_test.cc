// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/catalogue.h"
#include "cli/fake_engine_test.h"
#include "cli/parse.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

using testing::HasSubstr;

TEST(Help, FirstPageFitsTheSmallestTerminal) {
  std::vector<std::string> lines = split(top_help(), '\n');
  EXPECT_LE(lines.size(), 24U);  // the last one is empty: the prompt's
  for (const std::string& line : lines) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Help, EveryCommandIsOnTheFirstPageOrBelowItsNoun) {
  for (const CommandSpec* command : commands()) {
    if (command->hidden) continue;
    std::string last(command->name.substr(command->name.rfind(' ') + 1));
    EXPECT_THAT(top_help(), HasSubstr(last)) << command->name;
  }
}

TEST(Help, EveryCommandHasAHandlerSummaryAndExamplesThatParse) {
  for (const CommandSpec* command : commands()) {
    EXPECT_NE(command->handler, nullptr) << command->name;
    EXPECT_FALSE(command->summary.empty()) << command->name;
    EXPECT_FALSE(command->examples.empty()) << command->name;
    for (const Example& example : command->examples) {
      std::string_view text = example.command;
      if (text.find('<') != std::string_view::npos) text = text.substr(0, text.find('<'));
      std::vector<std::string> words;
      for (const std::string& word : split(text, ' ')) {
        if (!word.empty()) words.push_back(word);
      }
      EXPECT_EQ(resolve(words).command, command) << example.command;
    }
  }
}

TEST(Help, NamesAndOptionsAreUnique) {
  std::set<std::string> paths;
  for (const CommandSpec* command : commands()) {
    std::vector<std::string> own = aliases_of(*command);
    own.emplace_back(command->name);
    for (const std::string& path : own) EXPECT_TRUE(paths.insert(path).second) << path;
    std::set<std::string> names;
    command->each_option([&](const OptionSpec& option) {
      EXPECT_FALSE(option.help.empty()) << command->name << " " << option.names;
      for (const std::string& name : split(option.names, ',')) {
        EXPECT_TRUE(names.insert(name).second) << command->name << " " << name;
      }
    });
  }
}

TEST(Help, LinesOfCommandHelpFit) {
  for (const CommandSpec* command : commands()) {
    for (const std::string& line : split(command_help(*command, 80), '\n')) {
      bool example = line.starts_with("  servin ") || line.starts_with("Also: ");
      EXPECT_TRUE(example || line.size() <= 80) << command->name << ": " << line;
    }
  }
}

TEST(Help, OptionsThatWaitAreNotListed) {
  EXPECT_EQ(command_help(*find_command("run"), 80).find("--gpus"), std::string::npos);
}

TEST(Help, WaysToHelp) {
  Cli cli;
  for (std::vector<std::string> words : std::vector<std::vector<std::string>>{{"help", "run"}, {"run", "--help"}}) {
    EXPECT_EQ(cli.run(words), 0);
    EXPECT_THAT(cli.out, HasSubstr("Usage: servin run [OPTIONS] IMAGE"));
  }
  EXPECT_EQ(cli.run({"rm", "-h"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("Usage: servin rm"));
  EXPECT_EQ(cli.run({"image"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("history"));
  EXPECT_EQ(cli.run({"help", "image", "ls"}), 0);
  EXPECT_EQ(cli.run({"help", "images"}), 0);
  EXPECT_EQ(cli.run({"help", "e-disk-full"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("Cure: "));
  EXPECT_EQ(cli.run({"help", "E-DISK-FUL"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("E-DISK-FULL"));
  EXPECT_EQ(cli.run({"help", "nosuch"}), 125);
  EXPECT_EQ(cli.run({}), 0);
  EXPECT_EQ(cli.out, top_help());
  EXPECT_EQ(cli.run({"-h"}), 0);
  EXPECT_EQ(cli.run({"--version"}), 0);
  EXPECT_THAT(cli.out, testing::StartsWith("servin "));
}

TEST(Catalogue, EntriesAreWhole) {
  EXPECT_GE(catalogue().size(), 40U);
  std::set<std::string_view> ids;
  for (const CatalogueEntry& entry : catalogue()) {
    EXPECT_TRUE(ids.insert(entry.id).second) << entry.id;
    EXPECT_FALSE(entry.title.empty() || entry.cause.empty() || entry.cure.empty()) << entry.id;
    EXPECT_FALSE(entry.title.ends_with('.')) << entry.id;
    EXPECT_TRUE(entry.cause.ends_with('.') && entry.cure.ends_with('.')) << entry.id;
  }
}

}  // namespace
}  // namespace servin::cli
