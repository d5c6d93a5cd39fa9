// SPDX-License-Identifier: Apache-2.0
// Signals as events of a poll loop: blocked while the object lives, read from a descriptor (signalfd).
#pragma once

#include <initializer_list>
#include <optional>
#include <signal.h>

#include "os/fd.h"

namespace servin {

class SignalFd {
 public:
  /// Blocks the signals for this thread. Those that the caller ignores (nohup, `&` in scripts) stay ignored and do not
  /// arrive.
  explicit SignalFd(std::initializer_list<int> signals);
  explicit SignalFd(const sigset_t& signals);
  /// Unblocks what it blocked; what is still pending then acts.
  ~SignalFd();
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;

  const Fd& poll_fd() const { return fd_; }
  /// The next one that arrived; never blocks.
  std::optional<int> next();

 private:
  void block(sigset_t signals);
  Fd fd_;
  sigset_t before_{};
};

}  // namespace servin
