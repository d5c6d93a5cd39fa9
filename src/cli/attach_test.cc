// SPDX-License-Identifier: Apache-2.0
#include "cli/attach.h"

#include <csignal>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore>
#include <termios.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/error.h"
#include "cli/detach_keys.h"
#include "os/terminal.h"

namespace servin::cli {
namespace {

using engine::Attachment;
using End = PumpResult::End;

/// Gives scripted events; its descriptor is readable while there are some.
class Script : public Attachment {
 public:
  Script() : pair_(make_socket_pair(SOCK_STREAM)) {}

  void out(std::string bytes) { add({Kind::out, std::move(bytes), {}}); }
  void err(std::string bytes) { add({Kind::err, std::move(bytes), {}}); }
  void exited(int code) { add({Kind::exited, "", {code, false, ""}}); }
  void out_of_memory() { add({Kind::exited, "", {137, true, ""}}); }
  void lost() { add({Kind::closed, "", {}}); }

  const Fd& poll_fd() const override { return pair_.a; }
  std::optional<Event> next() override {
    if (events_.empty()) return std::nullopt;
    Event e = events_.front();
    events_.pop_front();
    char byte = 0;
    read_some(pair_.a, &byte, 1, "script");
    return e;
  }
  bool write_stdin(std::string_view bytes) override {
    if (refuse_ > 0) {
      --refuse_;
      return false;
    }
    input += bytes;
    if (!end_after_.empty() && input.find(end_after_) != std::string::npos) exited(0);
    return true;
  }
  void close_stdin() override {
    closed = true;
    if (exit_at_end_) exited(0);
  }
  void resize(std::uint16_t rows, std::uint16_t columns) override {
    sizes.push_back({rows, columns});
    size_seen.release();
  }
  void signal(int number) override {
    signals.push_back(number);
    signal_seen.release();
    if (number == end_on_) exited(128 + number);
  }

  std::string input;
  bool closed = false;
  std::vector<WindowSize> sizes;
  std::vector<int> signals;
  std::counting_semaphore<> size_seen{0}, signal_seen{0};  // for other threads
  int refuse_ = 0;
  int end_on_ = 0;
  bool exit_at_end_ = false;
  std::string end_after_;

 private:
  void add(Event e) {
    events_.push_back(std::move(e));
    write_all(pair_.b, "x", "script");
  }
  SocketPair pair_;
  std::deque<Event> events_;
};

struct Streams {
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  PumpOptions options() const {
    PumpOptions o;
    o.name = "web";
    o.in = in.read.get();
    o.out = out.write.get();
    o.err = err.write.get();
    return o;
  }
  std::string all(Pipe& pipe) const {
    pipe.write.reset();
    return read_all(pipe.read, 64U << 20U, "pipe");
  }
};

TEST(Pump, StreamsStayApartAndTheCodeComesBack) {
  Streams s;
  Script script;
  script.out("one\n");
  script.err("two\n");
  script.out(std::string("a\0b", 3));
  script.exited(42);
  EXPECT_EQ(pump(script, s.options()), 42);
  EXPECT_EQ(s.all(s.out), std::string("one\na\0b", 7));
  EXPECT_EQ(s.all(s.err), "two\n");
}

TEST(Pump, AnEndByLackOfMemoryIsSaid) {
  Streams s;
  Script script;
  script.out_of_memory();
  EXPECT_EQ(pump(script, s.options()), 137);
  EXPECT_NE(s.all(s.err).find("container web ran out of memory"), std::string::npos);
}

TEST(Pump, ALostConnectionIsAnError) {
  Streams s;
  Script script;
  script.out("x");
  script.lost();
  EXPECT_THROW(pump(script, s.options()), Error);
}

TEST(Pump, ASlowReaderGetsEverything) {
  Streams s;
  Script script;
  std::string block(50'000, 'x');
  for (int i = 0; i < 100; ++i) script.out(block);
  script.exited(0);
  std::string got;
  std::thread reader([&] {
    char buffer[1000];
    while (got.size() < 5'000'000) got.append(buffer, read_some(s.out.read, buffer, sizeof buffer, "pipe"));
  });
  EXPECT_EQ(pump(script, s.options()), 0);
  reader.join();
  EXPECT_EQ(got.size(), 5'000'000U);
  // The flags of the caller's own description are as they were.
  EXPECT_EQ(::fcntl(s.out.write.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(Pump, InputIsPassedOnAndItsEndToo) {
  Streams s;
  Script script;
  script.exit_at_end_ = true;
  script.refuse_ = 3;
  write_all(s.in.write, "hello", "pipe");
  s.in.write.reset();
  PumpOptions o = s.options();
  o.attach_stdin = true;
  EXPECT_EQ(pump(script, o), 0);
  EXPECT_EQ(script.input, "hello");
  EXPECT_TRUE(script.closed);
}

TEST(Pump, WithoutInteractiveInputIsLeftAlone) {
  Streams s;
  Script script;
  write_all(s.in.write, "for somebody else", "pipe");
  script.exited(0);
  EXPECT_EQ(pump(script, s.options()), 0);
  s.in.write.reset();
  EXPECT_EQ(read_all(s.in.read, 100, "pipe"), "for somebody else");
}

void signal_this_thread(int number) { ::pthread_kill(::pthread_self(), number); }

TEST(Pump, SignalsAreForwarded) {
  Streams s;
  Script script;
  script.end_on_ = SIGTERM;
  PumpOptions o = s.options();
  // Blocked here, so that it waits for the pump instead of ending the test.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal_this_thread(SIGUSR1);
  signal_this_thread(SIGTERM);
  EXPECT_EQ(pump(script, o), 128 + SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  EXPECT_EQ(script.signals.size(), 2U);
}

TEST(Pump, TheThirdInterruptLeaves) {
  Streams s;
  Script script;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  pthread_t self = ::pthread_self();
  std::thread impatient([&] {
    // Each is sent when the one before has arrived: signals do not queue.
    for (std::size_t i = 0; i < 3; ++i) {
      if (i > 0) script.signal_seen.acquire();
      ::pthread_kill(self, SIGINT);
    }
  });
  PumpResult r = pump_attachment(script, s.options());
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  impatient.join();
  EXPECT_EQ(r.end, End::left);
  EXPECT_EQ(r.code, 130);
  EXPECT_EQ(script.signals, (std::vector<int>{SIGINT, SIGINT, SIGINT}));
  EXPECT_NE(s.all(s.err).find("servin stop web"), std::string::npos);
}

TEST(Pump, AClosedOutputKillsADisposableContainer) {
  Streams s;
  Script script;
  s.out.read.reset();
  script.out("nobody reads this");
  script.end_on_ = SIGKILL;
  PumpOptions o = s.options();
  o.kill_on_closed_output = true;
  PumpResult r = pump_attachment(script, o);
  EXPECT_EQ(r.code, 128 + SIGPIPE);
  EXPECT_EQ(script.signals, std::vector<int>{SIGKILL});
}

TEST(Pump, AClosedOutputLeavesOthersRunning) {
  Streams s;
  Script script;
  s.out.read.reset();
  script.out("nobody reads this");
  PumpResult r = pump_attachment(script, s.options());
  EXPECT_EQ(r.end, End::signalled);
  EXPECT_EQ(r.code, 128 + SIGPIPE);
  EXPECT_TRUE(script.signals.empty());
  EXPECT_NE(s.all(s.err).find("goes on"), std::string::npos);
}

struct Pty {
  Fd master, slave;
  Pty() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master.get());
    ::unlockpt(master.get());
    slave = open_file(::ptsname(master.get()), O_RDWR | O_NOCTTY);
    set_window_size(master, {33, 99});
  }
};

TEST(Pump, DetachKeysLeaveAndTheTerminalIsAsBefore) {
  Pty pty;
  Script script;
  PumpOptions o;
  o.terminal = o.attach_stdin = true;
  o.in = o.out = o.err = pty.slave.get();
  termios before{};
  ::tcgetattr(pty.slave.get(), &before);
  std::thread person([&] {
    script.size_seen.acquire();  // the first size is told when the terminal is raw
    write_all(pty.master, "ab\x10y\x03\x10\x11never", "terminal");
  });
  PumpResult r = pump_attachment(script, o);
  person.join();
  EXPECT_EQ(r.end, End::detached);
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(script.input, "ab\x10y\x03");
  ASSERT_FALSE(script.sizes.empty());
  EXPECT_EQ(script.sizes[0], (WindowSize{33, 99}));
  termios after{};
  ::tcgetattr(pty.slave.get(), &after);
  EXPECT_EQ(before.c_lflag, after.c_lflag);
  EXPECT_EQ(before.c_iflag, after.c_iflag);
  EXPECT_EQ(before.c_oflag, after.c_oflag);
}

TEST(Pump, ResizesFollowTheTerminal) {
  Pty pty;
  Script script;
  script.end_after_ = "q";
  PumpOptions o;
  o.terminal = o.attach_stdin = true;
  o.in = o.out = o.err = pty.slave.get();
  pthread_t self = ::pthread_self();
  std::thread person([&] {
    script.size_seen.acquire();  // the first size is told when the terminal is raw
    set_window_size(pty.master, {20, 50});
    ::pthread_kill(self, SIGWINCH);  // no controlling terminal here: the kernel sends none
    script.size_seen.acquire();
    write_all(pty.master, "q", "terminal");
  });
  PumpResult r = pump_attachment(script, o);
  person.join();
  EXPECT_EQ(r.end, End::exited);
  EXPECT_EQ(script.sizes.back(), (WindowSize{20, 50}));
}

TEST(DetachKeys, Grammar) {
  EXPECT_EQ(parse_detach_keys(""), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("a"), "a");
  EXPECT_EQ(parse_detach_keys("CTRL-A,x,ctrl-]"), "\x01x\x1d");
  EXPECT_EQ(parse_detach_keys("ctrl-@"), std::string(1, '\0'));
  for (const char* bad : {"ctrl-", "ctrl-1", "ab", ",", "a,,b", "ctrl-pp", "strg-p"})
    EXPECT_THROW(parse_detach_keys(bad), Error) << bad;
}

TEST(DetachKeys, FoundAcrossReadsAndHeldBackOnlyAsLongAsNeeded) {
  DetachKeys keys("aab");
  EXPECT_EQ(keys.feed("xa"), "x");
  EXPECT_EQ(keys.feed("a"), "");
  EXPECT_EQ(keys.feed("a"), "a");
  EXPECT_FALSE(keys.found());
  EXPECT_EQ(keys.feed("b and more"), "");
  EXPECT_TRUE(keys.found());
  DetachKeys none("");
  EXPECT_EQ(none.feed("aab"), "aab");
  DetachKeys other("aab");
  EXPECT_EQ(other.feed("ac"), "ac");
}

}  // namespace
}  // namespace servin::cli
