// SPDX-License-Identifier: Apache-2.0
// The caller's terminal: raw mode and its way back, window size, and the pty pairs that containers get.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "os/fd.h"

namespace servin {

bool is_terminal(int fd);

struct WindowSize {
  std::uint16_t rows = 0, columns = 0;
  bool operator==(const WindowSize&) const = default;
};
/// Nothing when `fd` is no terminal or does not know its size.
std::optional<WindowSize> window_size(int fd);
/// Throws Error; a pty's own ioctl, works on either end.
void set_window_size(const Fd& terminal, WindowSize size);

/// Raw mode (cfmakeraw) for the life of the object; the old settings come back with its end. Whoever holds one takes
/// fatal signals through a SignalFd meanwhile, so that its destructor runs.
class RawMode {
 public:
  /// Throws failed_precondition when `fd` is no terminal. One at a time in a process.
  explicit RawMode(int fd);
  ~RawMode();
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  void restore();
  /// Raw once more: after SIGCONT, when a shell has set its own mode meanwhile.
  void again();

 private:
  struct Saved;
  std::unique_ptr<Saved> saved_;
};

/// Typing is not shown for the life of the object. Ctrl-C arrives as a character (\x03), so that nobody dies with a
/// dark terminal. Does nothing when `fd` is no terminal.
class HiddenInput {
 public:
  explicit HiddenInput(int fd);
  ~HiddenInput();
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  struct Saved;
  std::unique_ptr<Saved> saved_;
};

}  // namespace servin
