// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/path_open.h"
#include "os/process.h"

namespace servin {
namespace {

class TempDir : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/servin-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path = name;
  }
  void TearDown() override { remove_tree(path); }
  std::string path;
};
using Files = TempDir;

// Both ways to resolve must agree: the parameter forbids openat2.
class PathOpen : public TempDir, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    TempDir::SetUp();
    detail::forbid_openat2(GetParam());
    make_dirs(path + "/root/etc");
    write_file(path + "/root/etc/passwd", "inside");
    write_file(path + "/passwd", "outside");
    root = open_file(path + "/root", O_PATH | O_DIRECTORY);
  }
  void TearDown() override {
    detail::forbid_openat2(false);
    TempDir::TearDown();
  }
  void link(const std::string& target, const std::string& name) {
    ASSERT_EQ(::symlink(target.c_str(), (path + "/root/" + name).c_str()), 0);
  }
  std::string read(std::string_view p) { return read_file_in_root(root, p, 1000); }
  Fd root;
};

TEST_P(PathOpen, LinksAndDotsStayInside) {
  link("/etc", "abs");
  link("../../../..", "up");
  link("abs/../abs", "chain");
  EXPECT_EQ(read("/etc/passwd"), "inside");
  EXPECT_EQ(read("abs/passwd"), "inside");
  EXPECT_EQ(read("chain/passwd"), "inside");
  EXPECT_EQ(read("up/etc/passwd"), "inside");
  EXPECT_EQ(read("../../etc/passwd"), "inside");
  EXPECT_THROW(read("up/passwd"), Error);
}

TEST_P(PathOpen, LoopsLinksAndOddFilesAreErrors) {
  link("loop", "loop");
  link("etc", "dirlink");
  EXPECT_THROW(read("loop"), Error);
  EXPECT_FALSE(try_open_in_root(root, "dirlink/passwd", O_RDONLY, 0, Links::none));
  EXPECT_EQ(errno, ELOOP);
  ASSERT_EQ(::mkfifo((path + "/root/fifo").c_str(), 0600), 0);
  EXPECT_THROW(read("fifo"), Error);
  EXPECT_THROW(read("etc"), Error);
  EXPECT_THROW(read("/proc/self/root/etc/passwd"), Error);
  EXPECT_FALSE(try_open_in_root(root, std::string_view("etc\0/passwd", 11), O_RDONLY));
}

TEST_P(PathOpen, MakesFoldersAndFilesInside) {
  link("/target", "link");
  make_dirs(path + "/root/target");
  make_dirs_in_root(root, "link/a/b");
  EXPECT_TRUE(path_exists(path + "/root/target/a/b"));
  EXPECT_FALSE(path_exists("/target/a"));
  open_in_root(root, "link/a/file", O_WRONLY | O_CREAT | O_EXCL, 0644);
  EXPECT_TRUE(path_exists(path + "/root/target/a/file"));
  EXPECT_FALSE(try_open_in_root(root, "etc/passwd", O_WRONLY | O_CREAT | O_EXCL, 0644));
  EXPECT_EQ(errno, EEXIST);
  link("/outside-file", "dangling");
  Fd opened = try_open_in_root(root, "dangling", O_PATH, 0, Links::last);
  EXPECT_TRUE(opened);
  EXPECT_THROW(open_parent_in_root(root, "etc/.."), Error);
  EXPECT_EQ(open_parent_in_root(root, "etc/x").name, "x");
}

INSTANTIATE_TEST_SUITE_P(Both, PathOpen, ::testing::Bool(), [](const auto& p) { return p.param ? "walk" : "openat2"; });

TEST_F(Files, RemovesDeepTreesAndLeavesWhatLinksPointTo) {
  make_dirs(path + "/kept");
  write_file(path + "/kept/f", "x");
  make_dirs(path + "/tree");
  Fd here = open_file(path + "/tree", O_PATH | O_DIRECTORY);
  // Deeper than descriptors last and than a path can say.
  for (int i = 0; i < 1200; ++i) {
    ASSERT_EQ(::mkdirat(here.get(), "deep", 0700), 0);
    here = open_at(here, "deep", O_PATH | O_DIRECTORY);
  }
  ASSERT_EQ(::symlinkat((path + "/kept").c_str(), here.get(), "link"), 0);
  remove_tree(path + "/tree/");
  EXPECT_FALSE(path_exists(path + "/tree"));
  EXPECT_EQ(read_file(path + "/kept/f"), "x");
  remove_tree(path + "/missing");
  remove_tree(path + "/missing/too");
}

TEST_F(Files, AreReplacedWhole) {
  write_file(path + "/f", "one");
  write_file(path + "/f", "two", 0600, Sync::yes);
  EXPECT_EQ(read_file(path + "/f"), "two");
  EXPECT_EQ(list_dir(path), std::vector<std::string>{"f"});
  EXPECT_EQ(read_file(path + "/missing"), std::nullopt);
  EXPECT_THROW(read_file(path + "/f", 2), Error);
}

TEST_F(Files, TreesGoWithoutFollowingLinks) {
  make_dirs(path + "/keep");
  write_file(path + "/keep/file", "x");
  make_dirs(path + "/tree/a/b");
  ASSERT_EQ(::symlink((path + "/keep").c_str(), (path + "/tree/a/link").c_str()), 0);
  EXPECT_EQ(tree_size(path), 1U);
  remove_tree(path + "/tree");
  remove_tree(path + "/tree");
  EXPECT_EQ(list_dir(path), std::vector<std::string>{"keep"});
  EXPECT_TRUE(path_exists(path + "/keep/file"));
}

TEST_F(Files, ALockNamesItsHolder) {
  auto held = FileLock::try_acquire(path + "/lock");
  ASSERT_TRUE(held);
  try {
    FileLock::acquire(path + "/lock", "container x", 1'000'000);
    FAIL() << "the lock was given twice";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::timeout);
    EXPECT_NE(e.message().find(std::to_string(::getpid())), std::string::npos);
  }
  held.reset();
  EXPECT_TRUE(FileLock::try_acquire(path + "/lock"));
}

TEST_F(Files, ALockIsWaitedForWhileTheQueueMoves) {
  constexpr std::int64_t patience = 2'000'000'000;
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto held = FileLock::acquire(path + "/lock", "x", 60'000'000'000);
      ::usleep(500'000);
      ::_exit(0);
    }
    children.push_back(child);
  }
  while (!path_exists(path + "/lock") || FileLock::try_acquire(path + "/lock")) ::usleep(1000);
  EXPECT_NO_THROW(FileLock::acquire(path + "/lock", "x", patience))
      << "six times half a second, each shorter than that";
  for (pid_t child : children) EXPECT_EQ(wait_child(child).code, 0);
}

// By the time since boot: start times are in it too, and nobody sets it.
TEST(Process, AgeKnowsNoClock) {
  std::int64_t first = age_ns(this_process());
  EXPECT_GE(first, 0);
  EXPECT_LT(first, 600'000'000'000);
  ProcessId init{1, identify(1)->start};
  EXPECT_GT(age_ns(init), first);
  // Started one second earlier: as much older, however long this test is kept from running.
  ProcessId elder = this_process();
  elder.start -= static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  std::int64_t age_of_elder = age_ns(elder);
  EXPECT_GE(age_of_elder, first + 1'000'000'000);
  EXPECT_LE(age_of_elder, age_ns(this_process()) + 1'000'000'000);
}

TEST(Process, IdentityAndSpawn) {
  EXPECT_TRUE(is_alive(this_process()));
  ProcessId other = this_process();
  other.start += 1;
  EXPECT_FALSE(is_alive(other));
  EXPECT_FALSE(open_pidfd(other));
  Pipe out = make_pipe();
  SpawnOptions o;
  o.program = "/bin/sh";
  o.args = {"sh", "-c", "echo $X; exit 7"};
  o.env = {"X=hello"};
  o.fds = {{&out.write, 1}};
  pid_t pid = spawn(o);
  out.write.reset();
  EXPECT_EQ(read_all(out.read, 100, "pipe"), "hello\n");
  EXPECT_EQ(wait_child(pid).code, 7);
  o.program = "/nonexistent";
  EXPECT_THROW(spawn(o), Error);
}

TEST(Fds, MessagesCarryDescriptors) {
  SocketPair s = make_socket_pair(SOCK_SEQPACKET);
  Fd memory = make_memfd("test", "content", true);
  EXPECT_LT(::write(memory.get(), "x", 1), 0);
  const Fd* list[] = {&memory};
  send_with_fds(s.a, "hi", list, 1);
  Received r = receive_with_fds(s.b, 100);
  EXPECT_EQ(r.data, "hi");
  ASSERT_EQ(r.fd_count, 1U);
  EXPECT_EQ(read_all(r.fds[0], 100, "memory"), "content");
}

}  // namespace
}  // namespace servin
