// SPDX-License-Identifier: Apache-2.0
// A whole shim with real programs.
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/strings.h"
#include "os/file.h"
#include "shim/client/log_reader.h"
#include "shim/client/protocol.h"
#include "shim/shim_fixture.h"

namespace servin::shim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

std::uint64_t peak_memory_kib(pid_t pid) {
  std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
  auto at = status.find("VmHWM:");
  return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + 6, nullptr, 10);
}

/// The field "log" of each record, without unescaping.
std::string log_texts(const std::string& path) {
  std::string out;
  for (const std::string& line : split(read_file(path, 64U << 20U).value_or(""), '\n'))
    if (line.size() > 8) out += line.substr(8, line.find("\",\"stream\"") - 8);
  return out;
}

TEST_F(ShimTest, StreamsStayApartAndTheExitComesLast) {
  Client c = run("echo out; echo err >&2; exit 3");
  EXPECT_GT(c.process().pid, 0);
  Ending e = finish(c);
  EXPECT_EQ(e.out, "out\n");
  EXPECT_EQ(e.err, "err\n");
  ASSERT_TRUE(e.exited);
  EXPECT_EQ(e.status.exit_code, 3);
  EXPECT_EQ(e.status.phase, Phase::exited);
  EXPECT_GE(e.status.finished, e.status.started);
  auto status = read_status(dir_);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->phase, Phase::exited);
  EXPECT_EQ(status->exit_code, 3);
}

TEST_F(ShimTest, LogIsDockersJsonFile) {
  Client c = run("printf 'a\"<b>\\t\\001\\n'; printf 'no end'");
  finish(c);
  auto lines = split(read_file(log_).value_or(""), '\n');
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[0].starts_with(R"({"log":"a\"\u003cb\u003e\u0009\u0001\n","stream":"stdout","time":"2)"))
      << lines[0];
  EXPECT_TRUE(lines[0].ends_with("Z\"}"));
  EXPECT_TRUE(lines[1].starts_with(R"({"log":"no end","stream":"stdout")")) << lines[1];
}

TEST_F(ShimTest, SignalsBecome128PlusN) {
  Client c = run("kill -TERM $$; sleep 100");
  EXPECT_EQ(finish(c).status.exit_code, 128 + SIGTERM);
}

TEST_F(ShimTest, SignalsReachTheProcess) {
  Client c = run("trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.05; done");
  read_until(c, "ready");
  c.signal(SIGUSR1);
  Ending e = finish(c);
  EXPECT_EQ(e.out, "got\n");
  EXPECT_EQ(e.status.exit_code, 7);
}

TEST_F(ShimTest, ALaunchThatFailsSaysWhy) {
  try {
    run_args({"/no/such/program"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::not_found);
    EXPECT_EQ(e.id(), "E-COMMAND-NOT-FOUND");
  }
  auto status = read_status(dir_);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->phase, Phase::failed);
  EXPECT_NE(status->error.find("/no/such/program"), std::string::npos);
}

TEST_F(ShimTest, AVanishedSpawnerEndsTheInput) {
  {
    Client c = run("cat >/dev/null; echo over", with_input);
    EXPECT_TRUE(c.write_stdin("x"));
  }
  Waited waited = wait_exit(dir_, 60'000'000'000);
  EXPECT_EQ(waited.end, WaitEnd::told);
  EXPECT_EQ(waited.status.exit_code, 0);
  EXPECT_EQ(log_texts(log_), "over\\n");
}

TEST_F(ShimTest, WhatTheSpawnerReleasesIsClearedAwayWithoutTheVerb) {
  std::string mark = dir_ + "-verb";
  Client c = run("true", [&](SpawnRequest& q) {
    q.release_dir = dir_ + "-own";
    q.after_exit = {"/bin/sh", "-c", "echo >" + mark};
    make_dirs(q.release_dir + "/upper/etc");
  });
  while (next(c).kind != Client::Kind::exited) {
  }
  EXPECT_TRUE(path_exists(dir_ + "-own")) << "not before the word";
  c.release();
  wait_shim();
  EXPECT_FALSE(path_exists(dir_ + "-own"));
  EXPECT_FALSE(path_exists(dir_));
  EXPECT_FALSE(path_exists(mark));
}

TEST_F(ShimTest, ASpawnerThatGoesWithoutAWordLeavesItToTheVerb) {
  std::string pipe = dir_ + "/verb";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  {
    Client c = run("true", [&](SpawnRequest& q) {
      q.release_dir = dir_ + "/own";
      q.after_exit = {"/bin/sh", "-c", "echo ran >" + pipe};
      make_dirs(q.release_dir);
    });
    while (next(c).kind != Client::Kind::exited) {
    }
  }
  EXPECT_EQ(read_file(pipe), "ran\n");
  EXPECT_TRUE(path_exists(dir_ + "/own"));
}

TEST_F(ShimTest, TheSpawnerLosesNothingHoweverSlow) {
  Client c = run("seq 1 400000; echo last >&2");
  ::usleep(50'000);  // not a synchronisation: it lets the pipe fill
  Ending e = finish(c);
  std::string expected;
  for (int i = 1; i <= 400000; ++i) expected += fmt::format("{}\n", i);
  EXPECT_TRUE(e.out == expected) << e.out.size();
  EXPECT_EQ(e.err, "last\n");
  EXPECT_TRUE(e.exited);
}

TEST_F(ShimTest, WithoutAReaderTheWriterIsNotBlocked) {
  Client c = run("head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo done", [](SpawnRequest& q) {
    q.attached = false;
    q.log.max_size = 1'000'000;
    q.log.max_files = 3;
  });
  pid_t shim = shim_;
  Client watch = Client::connect(dir_, false, false, false);
  std::uint64_t peak = 0;
  Ending e;
  while (!watch.closed()) {
    if (auto now = peak_memory_kib(shim)) peak = now;
    if (auto f = watch.next()) e.exited |= f->kind == Client::Kind::exited;
    pollfd p{watch.poll_fd().get(), POLLIN, 0};
    ::poll(&p, 1, 20);
  }
  EXPECT_TRUE(e.exited);
  EXPECT_LE(peak, sanitized ? 4096U * 1024 : 20U * 1024);
  for (const char* name : {"", ".1", ".2"}) {
    struct stat s{};
    ASSERT_EQ(::stat((log_ + name).c_str(), &s), 0) << name;
    EXPECT_LE(s.st_size, 1'000'000);
  }
  EXPECT_FALSE(path_exists(log_ + ".3"));
  EXPECT_TRUE(log_texts(log_).ends_with("x\\ndone\\n"));
}

TEST_F(ShimTest, TerminalWithSizeAndResize) {
  Client c =
      run("stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done", [](SpawnRequest& q) {
        with_input(q);
        q.terminal = true;
        q.rows = 31;
        q.columns = 77;
      });
  read_until(c, "31 77\r\nready\r\n");
  c.resize(40, 100);
  read_until(c, "40 100\r\n");
  EXPECT_TRUE(finish(c).exited);
}

TEST_F(ShimTest, TerminalEchoesAndInterrupts) {
  Client c = run("trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done", [](SpawnRequest& q) {
    with_input(q);
    q.terminal = true;
  });
  read_until(c, "ready");
  EXPECT_TRUE(c.write_stdin("\x03"));
  Ending e = finish(c);
  EXPECT_NE(e.out.find("interrupted"), std::string::npos);
  EXPECT_EQ(e.status.exit_code, 9);
}

TEST_F(ShimTest, AVanishedSpawnerLeavesATerminalOpen) {
  {
    Client c = run("echo ready; cat", [](SpawnRequest& q) {
      with_input(q);
      q.terminal = true;
    });
    read_until(c, "ready");
  }
  Client again = Client::connect(dir_, true, true, true);
  EXPECT_TRUE(again.write_stdin("still here\n"));
  read_until(again, "still here");
  EXPECT_TRUE(again.write_stdin("\x04"));
  EXPECT_TRUE(finish(again).exited);
}

TEST_F(ShimTest, KilledShimTakesTheContainerDown) {
  Client c = run("echo ready; exec sleep 1000");
  read_until(c, "ready");
  ::kill(shim_, SIGKILL);
  Ending e = finish(c);
  EXPECT_FALSE(e.exited);
  wait_shim();
  if (auto process = open_pidfd(c.process())) {
    pollfd p{process->get(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 60'000), 1);
  }
  EXPECT_FALSE(is_alive(c.process()));
  Waited waited = wait_exit(dir_, 60'000'000'000);
  EXPECT_EQ(waited.end, WaitEnd::lost);
  EXPECT_EQ(waited.status.phase, Phase::running);
}

TEST_F(ShimTest, VerbsRunAfterStartAndExit) {
  std::string started = dir_ + "/started";
  std::string tidied = dir_ + "/tidied";
  ASSERT_EQ(::mkfifo(tidied.c_str(), 0600), 0);
  Client c = run("while ! test -e " + started + "; do sleep 0.01; done", [&](SpawnRequest& q) {
    q.after_start = {"/bin/touch", started};
    q.after_exit = {"/bin/sh", "-c", "cat " + dir_ + "/status >" + tidied};
  });
  EXPECT_TRUE(finish(c).exited);
  // The record was there before the verb ran.
  EXPECT_EQ(read_file(tidied), read_file(dir_ + "/status"));
}

TEST_F(ShimTest, OrphansEndWithTheContainer) {
  Client c = run("setsid sleep 1000 & echo $!");
  Ending e = finish(c);
  EXPECT_TRUE(e.exited);
  auto pid = parse_u64(trim(e.out));
  ASSERT_TRUE(pid);
  auto orphan = identify(static_cast<pid_t>(*pid));
  if (auto process = orphan ? open_pidfd(*orphan) : std::nullopt) {
    pollfd p{process->get(), POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 60'000), 1);
  }
  EXPECT_FALSE(orphan && is_alive(*orphan));
}

TEST_F(ShimTest, FollowingALogSeesEverythingAcrossRotation) {
  Client c = run("seq 1 20000; read x; seq 20001 40000", [](SpawnRequest& q) {
    with_input(q);
    q.log.max_size = 3'000'000;
    q.log.max_files = 5;
  });
  read_until(c, "20000\n");
  std::string seen;
  LogQuery query;
  query.follow = true;
  read_log(log_, dir_, query, [&](const LogRecord& r) {
    seen += r.text;
    if (r.text == "20000\n") c.close_stdin();
    while (c.next()) {
    }
    return true;
  });
  std::string expected;
  for (int i = 1; i <= 40000; ++i) expected += fmt::format("{}\n", i);
  EXPECT_TRUE(seen == expected) << seen.size();
}

TEST_F(ShimTest, FollowingEndsAtOnceWhenNothingRuns) {
  Client c = run("echo over");
  finish(c);
  wait_shim();
  std::string seen;
  LogQuery query;
  query.follow = true;
  read_log(log_, dir_, query, [&](const LogRecord& r) {
    seen += r.text;
    return true;
  });
  EXPECT_EQ(seen, "over\n");
}

TEST_F(ShimTest, DamagedStatusIsNamed) {
  write_file(dir_ + "/status", "garbage");
  try {
    read_status(dir_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::data_loss);
    EXPECT_NE(e.message().find(dir_), std::string::npos);
  }
}

TEST_F(ShimTest, DeepRunFoldersWork) {
  std::string deep = dir_;
  for (int i = 0; i < 4; ++i) deep += "/" + std::string(60, 'd');
  make_dirs(deep);
  std::string top = dir_;
  dir_ = deep;
  Client c = run("read x", with_input);
  EXPECT_FALSE(Client::connect(dir_, false, false, false).closed());
  c.close_stdin();
  EXPECT_TRUE(finish(c).exited);
  dir_ = top;
}

}  // namespace
}  // namespace servin::shim
