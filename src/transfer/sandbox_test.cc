// SPDX-License-Identifier: Apache-2.0
// What a program can do after enter_sandbox(), tried in a child. Each attempt is made without the sandbox too, by a
// user that is nobody: what fails only inside is kept by the sandbox and not by the file's mode.
#include "transfer/sandbox.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <signal.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace servin::transfer {
namespace {

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, which the sandbox gives up";
    char path[] = "/tmp/servin-sandbox-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    dir_ = path;
    ::chmod(path, 0777);  // open to everybody: no mode is in the way
    int fd = ::open((dir_ + "/file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    ASSERT_GE(fd, 0);
    ::fchmod(fd, 0666);
    ::close(fd);
  }
  void TearDown() override {
    if (dir_.empty()) return;
    for (const char* name : {"/file", "/new", "/folder", "/link"}) ::remove((dir_ + name).c_str());
    ::rmdir(dir_.c_str());
  }

  /// The errno of the attempt, 0 for success.
  static int attempt(bool sandboxed, const std::function<int()>& act) {
    pid_t child = ::fork();
    if (child == 0) {
      if (sandboxed) {
        try {
          enter_sandbox();
        } catch (...) {
          ::_exit(255);
        }
      } else if (::setresuid(65534, 65534, 65534) != 0) {
        ::_exit(254);
      }
      ::_exit(act());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 253;
  }
  static std::function<int()> opening(std::string path, int flags) {
    return [path = std::move(path), flags] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno; };
  }
  static bool has_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
  }

  std::string dir_;
};

TEST_F(Sandbox, FilesAreOutOfReachByLandlock) {
  if (!has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  const std::pair<const char*, std::function<int()>> attempts[] = {
      {"read", opening(dir_ + "/file", O_RDONLY)},
      {"write", opening(dir_ + "/file", O_WRONLY)},
      {"create", opening(dir_ + "/new", O_WRONLY | O_CREAT)},
      {"read /proc", opening("/proc/self/status", O_RDONLY)},
      {"list", opening(dir_, O_RDONLY | O_DIRECTORY)},
  };
  for (const auto& [what, act] : attempts) {
    EXPECT_EQ(attempt(false, act), 0) << what << " without the sandbox";
    EXPECT_EQ(attempt(true, act), EACCES) << what;
  }
}

TEST_F(Sandbox, WhatFetchingNeedsIsThere) {
  EXPECT_EQ(attempt(true, opening("/etc/passwd", O_RDONLY)), 0);
  EXPECT_EQ(attempt(true, opening("/dev/urandom", O_RDONLY)), 0);
  EXPECT_EQ(attempt(true, [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : errno; }), 0);
}

TEST_F(Sandbox, NoFileOfTheSystemIsWritten) {
  for (const char* path : {"/etc/passwd", "/etc/hosts", "/dev/urandom"})
    EXPECT_EQ(attempt(true, opening(path, O_WRONLY)), EACCES) << path;
}

TEST_F(Sandbox, RightsDoNotComeBack) {
  EXPECT_EQ(attempt(true, [] { return ::setuid(0) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [] { return ::getuid() < 0x7C000000 ? 1 : 0; }), 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(Sandbox, SystemCallsThatFetchingDoesNotNeedFail) {
  EXPECT_EQ(attempt(true, [this] { return ::mkdir((dir_ + "/folder").c_str(), 0700) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [this] { return ::symlink("x", (dir_ + "/link").c_str()) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [] { return ::execl("/bin/true", "true", nullptr) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [] { return ::fork() >= 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(attempt(true, [] { return ::kill(::getppid(), 0) == 0 ? 0 : errno; }), EPERM);
}
#endif

}  // namespace
}  // namespace servin::transfer
