// SPDX-License-Identifier: Apache-2.0
#include "cli/parse.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/registry.h"
#include "cli/run_request.h"

namespace servin::cli {
namespace {

using Words = std::vector<std::string>;

Parsed read(const Words& words) {
  Resolved resolved = resolve(words);
  GlobalOptions global;
  return parse(*resolved.command, std::span(words).subspan(resolved.words), global);
}

Surroundings around(const std::map<std::string, std::string>& files = {}) {
  Surroundings result;
  result.cwd = "/work";
  result.home = "/home/me";
  result.variable = [](const std::string& name) -> std::optional<std::string> {
    if (name == "HERE") return "from the caller";
    return std::nullopt;
  };
  result.read_file = [files](const std::string& path) -> std::optional<std::string> {
    auto at = files.find(path);
    return at == files.end() ? std::nullopt : std::optional(at->second);
  };
  return result;
}

RunRequest request(const Words& words, std::map<std::string, std::string> files = {}) {
  return run_request(read(words), around(std::move(files)));
}

/// The id of the error that `act` ends with.
template <typename F>
std::string id_of(F&& act) {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_FALSE(e.hint().empty()) << e.message();
    return e.id();
  }
  return "no error";
}

// --- cli.md rule 1: which words belong to the container

TEST(Arrange, OptionsOfTheContainersCommandAreItsOwn) {
  RunRequest run = request({"run", "alpine", "sh", "-c", "echo x"});
  EXPECT_EQ(run.create.command, (Words{"sh", "-c", "echo x"}));
  run = request({"run", "alpine", "httpd", "-f", "-p", "80"});
  EXPECT_EQ(run.create.command, (Words{"httpd", "-f", "-p", "80"}));
  run = request({"run", "mysql", "--character-set-server=utf8mb4"});
  EXPECT_EQ(run.create.command, (Words{"--character-set-server=utf8mb4"}));
  run = request({"run", "postgres", "-c", "shared_buffers=256MB"});
  EXPECT_EQ(run.create.command, (Words{"-c", "shared_buffers=256MB"}));
}

TEST(Arrange, SomeOptionsBehindTheImageAreOurs) {
  Parsed parsed = read({"run", "postgres", "-e", "POSTGRES_PASSWORD=secret"});
  EXPECT_EQ(parsed.all("env"), (Words{"POSTGRES_PASSWORD=secret"}));
  EXPECT_EQ(parsed.args, (Words{"postgres"}));
  EXPECT_NE(parsed.note.find("-e"), std::string::npos);
  parsed = read({"run", "alpine", "--rm", "-it", "--name", "x", "-v", "/a:/b", "sh", "-e", "A=1"});
  EXPECT_TRUE(parsed.flag("rm"));
  EXPECT_TRUE(parsed.flag("tty"));
  EXPECT_TRUE(parsed.flag("interactive"));
  EXPECT_EQ(parsed.value("name"), "x");
  EXPECT_EQ(parsed.all("volume"), (Words{"/a:/b"}));
  EXPECT_EQ(parsed.args, (Words{"alpine", "sh", "-e", "A=1"}));
}

TEST(Arrange, PublishBehindTheImageIsRead) {
  EXPECT_EQ(read({"run", "nginx", "-p", "80:80"}).all("publish"), (Words{"80:80"}));
}

TEST(Arrange, OnlyAssignmentsAndMountsAreTakenBehindTheImage) {
  EXPECT_EQ(read({"run", "perl", "-e", "print 1 == 1"}).args, (Words{"perl", "-e", "print 1 == 1"}));
  EXPECT_EQ(read({"run", "gcc", "-v"}).args, (Words{"gcc", "-v"}));
  EXPECT_EQ(read({"run", "curl", "-v", "https"}).args, (Words{"curl", "-v", "https"}));
  EXPECT_EQ(read({"run", "x", "--publish"}).args, (Words{"x", "--publish"}));
  EXPECT_EQ(read({"run", "x", "-q", "-e", "A=1"}).args, (Words{"x", "-q", "-e", "A=1"}));
}

TEST(Arrange, DashDashEndsOptionsAtOnce) {
  EXPECT_EQ(read({"run", "--", "alpine", "-x"}).args, (Words{"alpine", "-x"}));
  EXPECT_EQ(read({"run", "alpine", "--", "-e", "A=1"}).args, (Words{"alpine", "-e", "A=1"}));
  EXPECT_EQ(read({"run", "alpine", "sh", "--", "x"}).args, (Words{"alpine", "sh", "--", "x"}));
  EXPECT_EQ(read({"exec", "c", "--", "ls", "-l"}).args, (Words{"c", "ls", "-l"}));
  EXPECT_EQ(read({"rm", "--", "-odd"}).args, (Words{"-odd"}));
}

TEST(Arrange, ExecStopsAtTheContainer) {
  Parsed parsed = read({"exec", "-it", "-e", "A=1", "c", "ls", "-e", "B=2"});
  EXPECT_TRUE(parsed.flag("tty"));
  EXPECT_EQ(parsed.all("env"), (Words{"A=1"}));
  EXPECT_EQ(parsed.args, (Words{"c", "ls", "-e", "B=2"}));
}

TEST(Arrange, ElsewhereOptionsMayStandAnywhere) {
  Parsed parsed = read({"rm", "a", "-f", "b", "--volumes"});
  EXPECT_EQ(parsed.args, (Words{"a", "b"}));
  EXPECT_TRUE(parsed.flag("force"));
  EXPECT_TRUE(parsed.flag("volumes"));
}

// --- forms of options

TEST(Parse, ValuesGluedSpacedEmptyAndNegative) {
  EXPECT_EQ(read({"run", "-eA=1", "x"}).all("env"), (Words{"A=1"}));
  EXPECT_EQ(read({"run", "-e=A=1", "x"}).all("env"), (Words{"A=1"}));
  EXPECT_EQ(read({"run", "--env=A=1", "x"}).all("env"), (Words{"A=1"}));
  EXPECT_EQ(read({"run", "--entrypoint=", "x", "y"}).args, (Words{"x", "y"}));
  EXPECT_EQ(read({"run", "--entrypoint", "", "x"}).value("entrypoint"), "");
  EXPECT_EQ(read({"run", "--memory-swap", "-1", "x"}).value("memory-swap"), "-1");
  EXPECT_EQ(read({"logs", "--tail", "-1", "x"}).value("tail"), "-1");
  EXPECT_EQ(read({"run", "-itw/tmp", "x"}).value("workdir"), "/tmp");
  EXPECT_EQ(read({"run", "--name", "--", "x"}).value("name"), "--");
}

TEST(Parse, ListsAreNeverSplit) {
  EXPECT_EQ(read({"run", "--env", "A=1,2", "x"}).all("env"), (Words{"A=1,2"}));
  EXPECT_EQ(read({"run", "-l", "a=[x,y]", "-l", "[b,c]", "x"}).all("label"), (Words{"a=[x,y]", "[b,c]"}));
}

TEST(Parse, FlagsWithValues) {
  EXPECT_FALSE(read({"run", "--rm=false", "x"}).flag("rm"));
  EXPECT_TRUE(read({"run", "--rm=true", "x"}).flag("rm"));
  EXPECT_FALSE(read({"run", "-d=false", "x"}).flag("detach"));
  EXPECT_FALSE(read({"run", "--sig-proxy=false", "x"}).flag("sig-proxy"));
  EXPECT_EQ(id_of([] { read({"run", "--rm=maybe", "x"}); }), "E-OPTION-VALUE");
}

TEST(Parse, VerboseAndVolumeByPlace) {
  GlobalOptions global;
  Front front = parse_front(Words{"-v", "run", "-v", "/a:/b", "x"}, global);
  EXPECT_EQ(front.words, 1U);
  EXPECT_TRUE(global.verbose);
  EXPECT_EQ(read({"run", "-v", "/a:/b", "alpine", "ls"}).all("volume"), (Words{"/a:/b"}));
}

TEST(Parse, GlobalOptionsBeforeAndBehind) {
  GlobalOptions global;
  EXPECT_EQ(parse_front(Words{"--root", "/x", "--dev", "ls"}, global).words, 3U);
  EXPECT_EQ(global.root, "/x");
  EXPECT_TRUE(global.dev);
  GlobalOptions behind;
  Words words = {"image", "ls", "--dev", "--root=/y"};
  parse(*resolve(words).command, std::span(words).subspan(2), behind);
  EXPECT_TRUE(behind.dev);
  EXPECT_EQ(behind.root, "/y");
  EXPECT_EQ(id_of([&] { parse_front(Words{"-H", "tcp://x", "ls"}, global); }), "E-NOT-BUILT");
  EXPECT_EQ(id_of([&] { parse_front(Words{"--rooot", "/x", "ls"}, global); }), "E-OPTION-UNKNOWN");
}

TEST(Parse, Mistakes) {
  EXPECT_EQ(id_of([] { read({"run", "--nmae", "x", "y"}); }), "E-OPTION-UNKNOWN");
  EXPECT_EQ(id_of([] { read({"run", "-Z", "y"}); }), "E-OPTION-UNKNOWN");
  EXPECT_EQ(id_of([] { read({"run"}); }), "E-ARGUMENTS");
  EXPECT_EQ(id_of([] { read({"rename", "a"}); }), "E-ARGUMENTS");
  EXPECT_EQ(id_of([] { read({"rename", "a", "b", "c"}); }), "E-ARGUMENTS");
  EXPECT_EQ(id_of([] { read({"run", "--name"}); }), "E-OPTION-VALUE");
  EXPECT_EQ(id_of([] { read({"run", "--pull", "sometimes", "x"}); }), "E-OPTION-VALUE");
  EXPECT_EQ(id_of([] { read({"frobnicate"}); }), "E-COMMAND-UNKNOWN");
  EXPECT_EQ(id_of([] { read({"compose", "x"}); }), "E-NOT-BUILT");
  EXPECT_EQ(id_of([] { read({"system", "reset"}); }), "E-NOT-BUILT");
  EXPECT_EQ(id_of([] { read({"image", "lss"}); }), "E-COMMAND-UNKNOWN");
}

// --- run's request

TEST(RunRequest, EveryOptionThatWaitsIsRefused) {
  std::size_t count = 0;
  find_command("run")->each_option([&](const OptionSpec& option) {
    if (option.later.empty()) return;
    ++count;
    std::string name = "--" + std::string(option_key(option));
    Words words = {"run", name};
    if (!option.value.empty()) words.emplace_back("1");
    words.emplace_back("base");
    EXPECT_EQ(id_of([&] { read(words); }), "E-NOT-BUILT") << name;
  });
  EXPECT_GT(count, 15U);
}

TEST(RunRequest, Environment) {
  RunRequest run = request({"run", "-e", "HERE", "-e", "GONE", "-e", "A=1,2", "-e", "EMPTY=", "--env-file", "/f", "x"},
                           {{"/f", "\xef\xbb\xbf# comment\n\n  F=1 2\r\nHERE\nG\n"}});
  EXPECT_EQ(run.create.env, (Words{"F=1 2", "HERE=from the caller", "HERE=from the caller", "A=1,2", "EMPTY="}));
  EXPECT_EQ(id_of([] { request({"run", "--env-file", "/none", "x"}); }), "E-FILE-NOT-FOUND");
  EXPECT_EQ(id_of([] { request({"run", "--env-file", "/f", "x"}, {{"/f", "A B=1\n"}}); }), "E-OPTION-VALUE");
  EXPECT_EQ(id_of([] { request({"run", "-e", "=1", "x"}); }), "E-OPTION-VALUE");
}

TEST(RunRequest, Labels) {
  RunRequest run =
      request({"run", "-l", "a=1=2", "--label", "b", "--label-file", "/f", "x"}, {{"/f", "a=file\nc=3\n"}});
  EXPECT_EQ(run.create.labels, (std::map<std::string, std::string>{{"a", "1=2"}, {"b", ""}, {"c", "3"}}));
}

TEST(RunRequest, TheSeedsLine) {
  RunRequest run = request({"run", "--name", "mycontainer", "--memory", "512m", "--env", "KEY=value", "--workdir",
                            "/app", "alpine", "/bin/sh", "-c", "echo $KEY"});
  EXPECT_EQ(run.create.name, "mycontainer");
  EXPECT_EQ(run.create.resources.memory, 512U << 20U);
  EXPECT_EQ(run.create.working_dir, "/app");
  EXPECT_EQ(run.create.command, (Words{"/bin/sh", "-c", "echo $KEY"}));
  EXPECT_EQ(run.create.network, "");  // what it means depends on the isolation
}

TEST(RunRequest, AttachAndDetach) {
  EXPECT_TRUE(request({"run", "-d", "x"}).detach);
  RunRequest run = request({"run", "-a", "STDOUT", "x"});
  EXPECT_TRUE(run.attach_out);
  EXPECT_FALSE(run.attach_err);
  EXPECT_EQ(id_of([] { request({"run", "-d", "-a", "stdout", "x"}); }), "E-OPTION-CONFLICT");
  EXPECT_EQ(id_of([] { request({"run", "-a", "stdnone", "x"}); }), "E-OPTION-VALUE");
}

TEST(RunRequest, NumbersAndSizes) {
  EXPECT_EQ(request({"run", "--pids-limit", "0", "x"}).create.resources.pids_limit, -1);
  EXPECT_EQ(request({"run", "--memory", "64m", "--memory-swap", "-1", "x"}).create.resources.memory_swap, -1);
  EXPECT_EQ(request({"run", "--cpus", "1.5", "x"}).create.resources.nano_cpus, 1'500'000'000);
  for (const char* option : {"--cpu-shares", "--pids-limit", "--oom-score-adj", "--memory", "--shm-size", "--cpus",
                             "--stop-timeout", "--stop-signal", "--ulimit", "--blkio-weight"}) {
    EXPECT_EQ(id_of([&] { request({"run", option, "many", "x"}); }), "E-OPTION-VALUE") << option;
  }
}

TEST(RunRequest, ValuesThatWait) {
  EXPECT_EQ(id_of([] { request({"run", "--restart", "sometimes", "x"}); }), "E-OPTION-VALUE");
  EXPECT_EQ(id_of([] { request({"run", "--restart", "always:3", "x"}); }), "E-OPTION-VALUE");
  EXPECT_EQ(id_of([] { request({"run", "--no-healthcheck", "--health-cmd", "y", "x"}); }), "E-OPTION-CONFLICT");
  EXPECT_EQ(request({"run", "--pull", "always", "x"}).pull, "always");
  EXPECT_EQ(id_of([] { request({"run", "--userns", "keep-id", "x"}); }), "E-NOT-BUILT");
  EXPECT_EQ(request({"run", "--restart", "no", "--pull", "never", "x"}).create.restart.policy, "");
  auto restart = request({"run", "--restart", "on-failure:3", "x"}).create.restart;
  EXPECT_EQ(restart.policy, "on-failure");
  EXPECT_EQ(restart.retries, 3);
  auto health =
      request({"run", "--health-cmd", "a b", "--health-interval", "5s", "--health-retries", "2", "x"}).create.health;
  EXPECT_EQ(health.test, (std::vector<std::string>{"CMD-SHELL", "a b"}));
  EXPECT_EQ(health.interval, 5'000'000'000);
  EXPECT_EQ(health.retries, 2);
  EXPECT_EQ(request({"run", "--no-healthcheck", "x"}).create.health.test, std::vector<std::string>{"NONE"});
}

}  // namespace
}  // namespace servin::cli
