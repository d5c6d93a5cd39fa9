// SPDX-License-Identifier: Apache-2.0
// Tables, byte for byte, at several widths; JSON, YAML, quiet; hostile names.
#include "cli/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/container_words.h"
#include "cli/fake_engine_test.h"

namespace servin::cli {
namespace {

using testing::HasSubstr;

Listing sample() {
  Listing listing;
  listing.fields = {{"ID", "CONTAINER ID", true},    {"Image", "IMAGE", true, 2}, {"Command", "COMMAND", true, 1},
                    {"RunningFor", "CREATED", true}, {"Status", "STATUS", true},  {"Ports", "PORTS", true, 3},
                    {"Names", "NAMES", true},        {"Labels", "LABELS"}};
  listing.rows = {
      {{"0123456789ab", "registry.example.com/team/application:2026.11", "\"/docker-entrypoint.…\"", "2 hours ago",
        "Up 2 hours", "", "web", "a=1"},
       {}},
      {{"ba9876543210", "base", "\"sleep 1000\"", "3 weeks ago", "Exited (137) 2 days ago", "", "db_one", ""}, {}},
  };
  return listing;
}

constexpr std::string_view whole =
    "CONTAINER ID   IMAGE                                           COMMAND                  CREATED       STATUS      "
    "              PORTS     NAMES\n"
    "0123456789ab   registry.example.com/team/application:2026.11   \"/docker-entrypoint.…\"   2 hours ago   Up 2 "
    "hours "
    "                         web\n"
    "ba9876543210   base                                            \"sleep 1000\"             3 weeks ago   Exited "
    "(137) 2 days ago             db_one\n";

TEST(Table, InAPipeNothingIsCut) { EXPECT_EQ(render_table(sample(), 0), whole); }

TEST(Table, TwoHundredColumnsAreEnough) { EXPECT_EQ(render_table(sample(), 200), whole); }

TEST(Table, OneHundredAndTwentyColumns) {
  std::string text = render_table(sample(), 120);
  EXPECT_EQ(
      text,
      R"(CONTAINER ID   IMAGE                                  COMMAND   CREATED       STATUS                    PORTS     NAMES
0123456789ab   registry.example.com/team/applicati…   "/dock…   2 hours ago   Up 2 hours                          web
ba9876543210   base                                   "sleep…   3 weeks ago   Exited (137) 2 days ago             db_one
)");
  for (const std::string& line : split(text, '\n')) EXPECT_LE(display_width(line), 120U);
}

TEST(Table, NarrowTerminals) {
  for (unsigned width : {60U, 80U}) {
    // What may shrink has shrunk to its header; ids, times and names stay whole.
    EXPECT_EQ(render_table(sample(), width),
              "CONTAINER ID   IMAGE     COMMAND   CREATED       STATUS                    PORTS     NAMES\n"
              "0123456789ab   regist…   \"/dock…   2 hours ago   Up 2 hours                          web\n"
              "ba9876543210   base      \"sleep…   3 weeks ago   Exited (137) 2 days ago             db_one\n");
  }
}

TEST(Table, WideAndCombiningCharacters) {
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);
  EXPECT_EQ(ellipsis("日本語テスト", 5), "日本…");
  EXPECT_EQ(ellipsis("abc", 3), "abc");
  EXPECT_EQ(ellipsis("abcd", 3), "ab…");
  EXPECT_EQ(align({"日本\tx", "ab\ty"}), "日本      x\nab        y\n");
}

TEST(Listing, JsonIsOneObjectALine) {
  Cli cli;
  cli.engine->add("a", engine::Status::exited);
  cli.engine->add("b", engine::Status::running);
  EXPECT_EQ(cli.run({"ls", "-a", "--format", "json"}), 0);
  EXPECT_EQ(std::count(cli.out.begin(), cli.out.end(), '\n'), 2);
  EXPECT_THAT(cli.out, HasSubstr(R"("Names":"a")"));
  EXPECT_THAT(cli.out, HasSubstr(R"("Status":"Exited (3) About a minute ago")"));
  EXPECT_EQ(cli.run({"ls", "--format", "{{json .}}"}), 0);
  std::string line = cli.out;
  EXPECT_EQ(cli.run({"ls", "--format", "json"}), 0);
  EXPECT_EQ(cli.out, line);
}

TEST(Listing, YamlAndQuiet) {
  Cli cli;
  cli.engine->volumes.emplace_back().name = "data";
  cli.engine->volumes.back().mountpoint = "/v/data";
  EXPECT_EQ(cli.run({"volume", "ls", "--format", "yaml"}), 0);
  EXPECT_THAT(cli.out, testing::StartsWith("- Driver: local\n  Name: data\n  Labels: \"\"\n  Mountpoint: /v/data\n"));
  EXPECT_EQ(cli.run({"volume", "ls", "-q"}), 0);
  EXPECT_EQ(cli.out, "data\n");
}

TEST(Listing, HostileTextDoesNotReachTheTerminal) {
  Cli cli;
  cli.context.out.pretend_terminal(200);
  cli.engine->add("a", engine::Status::running, "img");
  cli.engine->containers[0].config.args = {"sh", "\x1b]0;owned\x07",
                                           "\xc2\x9b"
                                           "31m"};
  cli.engine->containers[0].config.labels = {{"l", "\x1b[2J"}};
  for (std::vector<std::string> words :
       std::vector<std::vector<std::string>>{{"ls", "--no-trunc"},
                                             {"ls", "--format", "{{.Command}} {{.Labels}}"},
                                             {"ls", "--format", "json"},
                                             {"ls", "--format", "yaml"},
                                             {"ls", "--format", "table {{.Labels}}\t{{.Command}}"}}) {
    EXPECT_EQ(cli.run(words), 0);
    EXPECT_EQ(cli.out.find('\x1b'), std::string::npos) << cli.out;
    EXPECT_EQ(cli.out.find("\xc2\x9b"), std::string::npos) << cli.out;
  }
}

TEST(Words, StatusAndCommand) {
  Time now{.ns = 1'000'000'000'000'000};
  engine::ContainerState state;
  EXPECT_EQ(shown_status(state, now), "Created");
  state.status = engine::Status::paused;
  state.started = {now.ns - 300'000'000'000};
  EXPECT_EQ(shown_status(state, now), "Up 5 minutes (Paused)");
  EXPECT_EQ(shown_command({"sh", "-c", "echo \"x\""}, true), R"("sh -c echo \"x\"")");
  EXPECT_EQ(shown_command({"/docker-entrypoint.sh", "nginx"}, false), "\"/docker-entrypoint.…\"");
}

}  // namespace
}  // namespace servin::cli
