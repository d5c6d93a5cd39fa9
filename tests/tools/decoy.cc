// SPDX-License-Identifier: Apache-2.0
// decoy: an innocent process with a process number of one's choice, as if the kernel had come round to it again.
//
//   decoy PID
//
// Prints "ready" when it exists and ends at the end of its stdin; the exit code tells whether it was left alone (0) or
// somebody's signal ended it (1). 3: the number cannot be had.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: decoy PID\n");
    return 2;
  }
  pid_t wanted = std::atoi(argv[1]);
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<std::uint64_t>(&wanted);  // NOLINT: the kernel's form of a pointer
  args.set_tid_size = 1;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0)
    for (;;) ::pause();
  if (pid < 0) {
    std::fprintf(stderr, "decoy: process number %d: %s\n", wanted, std::strerror(errno));
    return 3;
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  int status = 0;
  const bool ended = ::waitpid(wanted, &status, WNOHANG) != 0;
  if (!ended) ::kill(wanted, SIGKILL);
  if (!ended) ::waitpid(wanted, &status, 0);
  return ended ? 1 : 0;
}
