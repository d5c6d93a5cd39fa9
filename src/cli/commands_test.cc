// SPDX-License-Identifier: Apache-2.0
// Commands against the fake engine: what they print where, exit codes, several targets.
#include <fcntl.h>
#include <new>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/fake_engine_test.h"

namespace servin::cli {
namespace {

using engine::Status;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Commands, SeveralTargetsEachNamed) {
  Cli cli;
  cli.engine->add("a", Status::running);
  cli.engine->add("c", Status::running);
  EXPECT_EQ(cli.run({"stop", "a", "b", "c"}), 125);
  EXPECT_EQ(cli.out, "a\nc\n");
  EXPECT_THAT(cli.err, HasSubstr("servin: no such container: b"));
  EXPECT_THAT(cli.err, HasSubstr("more: servin help E-CONTAINER-NOT-FOUND"));
  EXPECT_THAT(cli.engine->calls, ElementsAre("stop a", "stop c"));
}

TEST(Commands, StdinAndStdoutStayOpenBehindAnArchive) {
  Cli cli;
  cli.context.stdin_terminal = false;
  EXPECT_EQ(cli.run({"save", "base"}), 0);
  EXPECT_EQ(cli.run({"load"}), 0);
  for (int standard : {0, 1}) EXPECT_NE(::fcntl(standard, F_GETFD), -1) << standard;
}

TEST(Commands, RmForceOfNothingIsNoFailure) {
  Cli cli;
  EXPECT_EQ(cli.run({"rm", "gone"}), 125);
  EXPECT_EQ(cli.run({"rm", "-f", "gone"}), 0);
  EXPECT_EQ(cli.run({"rmi", "-f", "gone"}), 0);
  EXPECT_EQ(cli.run({"volume", "rm", "-f", "gone"}), 0);
}

TEST(Commands, RmAllLeavesRunningOnesUnlessForced) {
  Cli cli;
  cli.engine->add("on", Status::running);
  cli.engine->add("off", Status::exited);
  EXPECT_EQ(cli.run({"rm", "--all", "--dry-run"}), 0);
  EXPECT_EQ(cli.out, "off\n");
  EXPECT_TRUE(cli.engine->calls.empty());
  EXPECT_EQ(cli.run({"rm", "--all"}), 0);
  EXPECT_THAT(cli.err, HasSubstr("1 running stay"));
  EXPECT_EQ(cli.run({"rm", "--all", "--force"}), 0);
  EXPECT_THAT(cli.engine->calls, ElementsAre("remove off", "remove -f on", "remove -f off"));
}

TEST(Commands, WhatIsNoErrorOfOursIsToldAsOne) {
  Cli cli;
  cli.engine->add("a", Status::running);
  cli.engine->on_rename = [] { throw std::out_of_range("a table"); };
  EXPECT_EQ(cli.run({"rename", "a", "b"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("servin: internal error: a table"));
  EXPECT_THAT(cli.err, HasSubstr("please report"));
  cli.engine->on_rename = [] { throw std::bad_alloc(); };
  EXPECT_EQ(cli.run({"rename", "a", "b"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("servin: out of memory"));
}

TEST(Commands, RmNeedsNames) {
  Cli cli;
  EXPECT_EQ(cli.run({"rm"}), 125);
  EXPECT_EQ(cli.run({"rm", "--all", "x"}), 125);
}

TEST(Commands, RunDetachedPrintsTheId) {
  Cli cli;
  EXPECT_EQ(cli.run({"run", "-d", "base"}), 0);
  EXPECT_EQ(cli.out, "f00df00df00d\n");
  EXPECT_THAT(cli.err, HasSubstr("warning: a warning"));
}

TEST(Commands, ContainerNounAndAliases) {
  Cli cli;
  cli.engine->add("a", Status::exited);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"ls", "-aq"},
                                                                                     {"ps", "-aq"},
                                                                                     {"list", "-aq"},
                                                                                     {"container", "ls", "-aq"},
                                                                                     {"container", "ps", "-a", "-q"}}) {
    EXPECT_EQ(cli.run(words), 0);
    EXPECT_EQ(cli.out, "aaaaaaaaaaaa\n");
  }
  EXPECT_EQ(cli.run({"remove", "a"}), 0);
  EXPECT_EQ(cli.run({"container", "remove", "a"}), 0);
}

TEST(Commands, PsOfOneContainerShowsItsProcesses) {
  Cli cli;
  cli.engine->add("a", Status::running);
  EXPECT_EQ(cli.run({"ps", "a"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("PID"));
  EXPECT_THAT(cli.out, HasSubstr("evil\\x1b[31m"));
}

TEST(Commands, WaitPrintsExitCodes) {
  Cli cli;
  cli.engine->add("a", Status::running);
  EXPECT_EQ(cli.run({"wait", "a"}), 0);
  EXPECT_EQ(cli.out, "7\n");
}

TEST(Commands, LogsKeepTheStreamsApart) {
  Cli cli;
  EXPECT_EQ(cli.run({"logs", "a"}), 0);
  EXPECT_EQ(cli.out, "to out\n");
  EXPECT_EQ(cli.err, "to err\n");
  EXPECT_EQ(cli.run({"logs", "-t", "a"}), 0);
  EXPECT_EQ(cli.out, "1970-01-01T00:00:00.000000001Z to out\n");
  EXPECT_EQ(cli.run({"logs", "--tail", "few", "a"}), 125);
  EXPECT_EQ(cli.run({"logs", "--since", "yesterday", "a"}), 125);
}

TEST(Commands, PruneAsksOnlyWhereSomebodyAnswers) {
  Cli cli;
  cli.engine->add("off", Status::exited);
  EXPECT_EQ(cli.run({"container", "prune"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("--force"));
  EXPECT_EQ(cli.run({"container", "prune", "--dry-run"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("would be reclaimed"));
  EXPECT_EQ(cli.run({"container", "prune", "-f"}), 0);
  EXPECT_EQ(cli.out, "Deleted Containers:\nold\n\nTotal reclaimed space: 1.5kB\n");
  EXPECT_EQ(cli.run({"system", "prune", "--yes"}), 0);
  EXPECT_THAT(cli.engine->calls,
              ElementsAre("prune containers (dry run)", "prune containers", "prune containers", "prune images"));
}

TEST(Commands, InspectFindsEveryKind) {
  Cli cli;
  cli.engine->add("web", Status::running);
  cli.engine->volumes.emplace_back().name = "data";
  EXPECT_EQ(cli.run({"inspect", "web", "base", "data"}), 0);
  EXPECT_THAT(cli.out, HasSubstr("\"Name\": \"/web\""));
  EXPECT_THAT(cli.out, HasSubstr("\"Id\": \"sha256:1\""));
  EXPECT_THAT(cli.out, HasSubstr("\"Name\": \"data\""));
  EXPECT_EQ(cli.run({"inspect", "nothing"}), 125);
  EXPECT_EQ(cli.out, "[]\n");
  EXPECT_THAT(cli.err, HasSubstr("E-OBJECT-NOT-FOUND"));
  EXPECT_EQ(cli.run({"inspect", "--type", "image", "web"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("E-IMAGE-NOT-FOUND"));
}

TEST(Commands, ImagesAndWhatIsTypedByMistake) {
  Cli cli;
  EXPECT_EQ(cli.run({"images", "ls"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("servin image ls"));
}

TEST(Commands, ImageRmSaysWhatWent) {
  Cli cli;
  EXPECT_EQ(cli.run({"image", "rm", "base"}), 0);
  EXPECT_EQ(cli.out, "Untagged: base:latest\nDeleted: sha256:1\n");
}

TEST(Commands, DoctorFailsWhenACheckFails) {
  Cli cli;
  EXPECT_EQ(cli.run({"system", "doctor"}), 1);
  EXPECT_THAT(cli.out, HasSubstr("it is broken"));
  EXPECT_THAT(cli.out, HasSubstr("mend it"));
}

TEST(Commands, SystemDf) {
  Cli cli;
  EXPECT_EQ(cli.run({"system", "df"}), 0);
  EXPECT_EQ(cli.out,
            "TYPE      TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
            "Images    2         1         3kB       1.5kB (50%)\n");
}

TEST(Commands, FilterForm) {
  Cli cli;
  EXPECT_EQ(cli.run({"ls", "--filter", "name"}), 125);
  EXPECT_THAT(cli.err, HasSubstr("E-FILTER-INVALID"));
}

}  // namespace
}  // namespace servin::cli
