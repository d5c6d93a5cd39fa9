// SPDX-License-Identifier: Apache-2.0
// A whole shim and its clients: input, late, slow, vanished and senseless ones, and those that wait for the end.
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/strings.h"
#include "os/file.h"
#include "shim/client/protocol.h"
#include "shim/shim_fixture.h"

namespace servin::shim {
namespace {

std::size_t open_descriptors(pid_t pid) { return list_dir(fmt::format("/proc/{}/fd", pid)).size(); }

TEST_F(ShimTest, InputIsGivenOnAndEnds) {
  Client c = run("cat; echo end", with_input);
  EXPECT_TRUE(c.write_stdin("one\n"));
  EXPECT_TRUE(c.write_stdin("two\n"));
  c.close_stdin();
  EXPECT_EQ(finish(c).out, "one\ntwo\nend\n");
}

TEST_F(ShimTest, WithoutInteractiveStdinIsEmpty) {
  Client c = run("cat; echo end");
  EXPECT_EQ(finish(c).out, "end\n");
}

TEST_F(ShimTest, InputWaitsWhileNobodyReadsIt) {
  Client c = run("sleep 0.3; wc -c", with_input);
  std::string block(16384, 'x');
  std::size_t sent = 0;
  bool refused = false;
  while (sent < 4'000'000) {
    if (c.write_stdin(block)) {
      sent += block.size();
      continue;
    }
    refused = true;
    pollfd p{c.poll_fd().get(), POLLOUT, 0};
    ::poll(&p, 1, 60'000);
  }
  c.close_stdin();
  EXPECT_TRUE(refused);
  EXPECT_EQ(finish(c).out, fmt::format("{}\n", sent));
}

TEST_F(ShimTest, ASlowSecondClientIsCutOffAndHoldsUpNobody) {
  Client c = run("read go; head -c 20000000 /dev/zero; echo end", with_input);
  Client slow = Client::connect(dir_, false, true, true);
  EXPECT_EQ(slow.process(), c.process());
  EXPECT_TRUE(c.write_stdin("go\n"));
  Ending e = finish(c);
  EXPECT_EQ(e.out.size(), 20'000'004U);
  Ending other = finish(slow);
  EXPECT_FALSE(other.exited);
  EXPECT_LT(other.out.size(), e.out.size());
}

TEST_F(ShimTest, LaterClientsSeeOutputInputAndExit) {
  Client c = run("cat", [](SpawnRequest& q) {
    q.open_stdin = true;
    q.attached = false;
  });
  Client first = Client::connect(dir_, true, true, true);
  Client second = Client::connect(dir_, false, true, true);
  EXPECT_TRUE(first.write_stdin("hello\n"));
  read_until(first, "hello\n");
  read_until(second, "hello\n");
  first.close_stdin();  // started detached: the input stays open
  first.signal(SIGTERM);
  EXPECT_EQ(finish(first).status.exit_code, 128 + SIGTERM);
  EXPECT_TRUE(finish(second).exited);
  wait_shim();
  EXPECT_THROW(Client::connect(dir_, true, true, true), Error);
}

TEST_F(ShimTest, AStoppedShimHoldsNobodyUp) {
  Client c = run("echo ready; exec sleep 1000");
  auto shim = open_pidfd(read_status(dir_)->shim);
  ASSERT_TRUE(shim);
  send_signal(*shim, SIGSTOP);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PIDFD, static_cast<id_t>(shim->get()), &info, WSTOPPED), 0);
  try {
    Client::connect(dir_, false, true, true);
    ADD_FAILURE() << "it does not answer";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-SUPERVISOR-STUCK");
    EXPECT_NE(e.hint().find(std::to_string(read_status(dir_)->shim.pid)), std::string::npos) << e.hint();
  }
  EXPECT_EQ(wait_exit(dir_, 1'000'000).end, WaitEnd::late);
  c.signal(SIGKILL);
  EXPECT_EQ(wait_exit(dir_, 60'000'000'000).end, WaitEnd::stuck);
  send_signal(*shim, SIGCONT);
  Waited waited = wait_exit(dir_, 60'000'000'000);
  EXPECT_EQ(waited.end, WaitEnd::told);
  EXPECT_EQ(waited.status.exit_code, 137);
}

TEST_F(ShimTest, WaitHasALimit) {
  Client c = run("echo ready; exec sleep 1000");
  EXPECT_EQ(wait_exit(dir_, 1'000'000).end, WaitEnd::late);
}

TEST_F(ShimTest, ClientsThatVanishLeaveNothing) {
  Client c = run("while read line; do echo $line; done", with_input);
  EXPECT_TRUE(c.write_stdin("warm\n"));
  read_until(c, "warm");
  std::size_t before = open_descriptors(shim_);
  for (int i = 0; i < 300; ++i) {
    Client other = Client::connect(dir_, i % 2 == 0, true, true);
    if (i % 3 == 0) other.resize(10, 10);
    bool taken = i % 2 != 0 || other.write_stdin("x\n");
    EXPECT_TRUE(taken);
  }
  EXPECT_TRUE(c.write_stdin("after\n"));
  read_until(c, "after");
  EXPECT_LE(open_descriptors(shim_), before + 1);
  c.close_stdin();
  EXPECT_TRUE(finish(c).exited);
}

TEST_F(ShimTest, FramesThatMakeNoSenseEndTheirConnectionOnly) {
  Client c = run("while read line; do echo $line; done", with_input);
  std::string path = dir_ + "/" + socket_name;
  for (int i = 0; i < 200; ++i) {
    Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    std::string frame;
    if (i % 2 == 1) {
      std::string hello{1, 1, 1, 1, 1};
      ASSERT_EQ(::send(socket.get(), hello.data(), hello.size(), MSG_NOSIGNAL), 5);
    }
    for (int n = 0; n <= i % 37; ++n) frame += static_cast<char>((i * 31 + n * 17) % 256);
    // Input frames are well formed whatever they hold: not these.
    if (frame[0] == 2) frame[0] = 77;
    ::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
    std::string huge(input_chunk + 5000, 'x');
    ::send(socket.get(), huge.data(), huge.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  EXPECT_TRUE(c.write_stdin("alive\n"));
  read_until(c, "alive");
  c.close_stdin();
  EXPECT_EQ(finish(c).status.exit_code, 0);
}

TEST_F(ShimTest, ManyWaitersAreAllTold) {
  Client c = run("read x", with_input);
  std::vector<Client> waiting;
  for (int i = 0; i < 63; ++i) waiting.push_back(Client::connect(dir_, false, false, false));
  try {
    Client::connect(dir_, false, false, false);
    FAIL() << "one more than there is room for";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::resource_exhausted);
  }
  c.close_stdin();
  EXPECT_TRUE(finish(c).exited);
  for (Client& w : waiting) EXPECT_TRUE(finish(w).exited);
}

TEST_F(ShimTest, ANewSupervisorThatIsStoppedIsNamedAndEnded) {
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
  pid_t pid = ::fork();
  if (pid == 0) {
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  pair.b.reset();
  auto shim = identify(pid);
  ASSERT_TRUE(shim);
  SpawnRequest request;
  request.id = "0123";
  request.run_dir = dir_;
  try {
    Client::start(std::move(pair.a), request, *shim);
    ADD_FAILURE() << "it was waited for";
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-SUPERVISOR-STUCK");
    EXPECT_NE(e.message().find(std::to_string(pid)), std::string::npos) << e.message();
  }
  EXPECT_EQ(wait_child(pid).signal, SIGKILL);
}

TEST_F(ShimTest, OnlyTheWantedStreamsCome) {
  Client c = run("echo out; echo err >&2", [](SpawnRequest& q) { q.attach_out = false; });
  Ending e = finish(c);
  EXPECT_EQ(e.out, "");
  EXPECT_EQ(e.err, "err\n");
  EXPECT_TRUE(e.exited);
}

}  // namespace
}  // namespace servin::shim
