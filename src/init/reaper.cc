// SPDX-License-Identifier: Apache-2.0
#include "init/reaper.h"

#include <asm/ioctls.h>
#include <linux/prctl.h>

#include "init/syscalls.h"

namespace servin::init {
namespace {

constexpr int sigchld = 17, sigttin = 21, sigttou = 22;
constexpr long e_intr = 4;

void set_signal_mask(uint64_t mask) {
  constexpr int set_mask = 2;
  call(__NR_rt_sigprocmask, set_mask, &mask, 0, 8);
}

// True when the child itself has ended.
bool reap(long child, int* code) {
  bool ended = false;
  for (;;) {
    int status = 0;
    constexpr int no_hang = 1;
    long pid = call(__NR_wait4, -1, &status, no_hang, nullptr);
    if (pid == -e_intr) continue;
    if (pid <= 0) return ended;
    if (pid != child) continue;
    int signal = status & 0x7f;
    *code = signal == 0 ? (status >> 8) & 0xff : 128 + signal;
    ended = true;
  }
}

}  // namespace

Reaper start_reaper(bool terminal) {
  // Blocked before the child exists: no signal can be lost between.
  set_signal_mask(~uint64_t{0});
  long pid = call(__NR_clone, sigchld, nullptr, nullptr, nullptr, nullptr);
  if (pid < 0) return {{Step::clone, -pid}};
  if (pid > 0) {
    call(__NR_prctl, PR_SET_NAME, "servin-init");
    call(__NR_close, handshake_fd);  // the child's exec must close the last copy
    // Nothing of ours is in reach any more: the container may look at its first process like at any other.
    call(__NR_prctl, PR_SET_DUMPABLE, 1);
    return {{}, false, pid};
  }
  call(__NR_setpgid, 0, 0);
  if (terminal) {
    int self = static_cast<int>(call(__NR_getpid));
    call(__NR_ioctl, 0, TIOCSPGRP, &self);  // SIGTTOU is blocked here
  }
  set_signal_mask(0);
  return {{}, true, 0};
}

int reap_until_end(const Reaper& reaper) {
  uint64_t all = ~uint64_t{0};
  int code = 0;
  // A child that ended before the first wait has left SIGCHLD pending.
  for (;;) {
    char info[128];
    long signal = call(__NR_rt_sigtimedwait, &all, &info[0], nullptr, 8);
    if (signal == sigchld) {
      if (reap(reaper.child, &code)) return code;
    } else if (signal > 0 && signal != sigttin && signal != sigttou) {
      call(__NR_kill, reaper.child, signal);
    }
  }
}

}  // namespace servin::init
