// SPDX-License-Identifier: Apache-2.0
#include "os/signals.h"

#include <cerrno>
#include <unistd.h>

#include <sys/signalfd.h>

#include "base/error.h"

namespace servin {

SignalFd::SignalFd(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int s : signals) sigaddset(&set, s);
  block(set);
}

SignalFd::SignalFd(const sigset_t& signals) { block(signals); }

void SignalFd::block(sigset_t signals) {
  for (int s = 1; s < NSIG; ++s) {
    struct sigaction now{};
    // A blocked signal is queued even when it is ignored: the caller's "ignore" would turn into an event.
    if (sigismember(&signals, s) == 1 && ::sigaction(s, nullptr, &now) == 0 && now.sa_handler == SIG_IGN)
      sigdelset(&signals, s);
  }
  fd_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw_errno("make a signal descriptor");
  ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
}

SignalFd::~SignalFd() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

std::optional<int> SignalFd::next() {
  signalfd_siginfo info{};
  for (;;) {
    ssize_t n = ::read(fd_.get(), &info, sizeof info);
    if (n == static_cast<ssize_t>(sizeof info)) return static_cast<int>(info.ssi_signo);
    if (n < 0 && errno == EINTR) continue;
    return std::nullopt;
  }
}

}  // namespace servin
