// SPDX-License-Identifier: Apache-2.0
#include "os/terminal.h"

#include <cerrno>
#include <termios.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "base/error.h"

namespace servin {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::optional<WindowSize> window_size(int fd) {
  winsize w{};
  if (::ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0) return std::nullopt;
  return WindowSize{w.ws_row, w.ws_col};
}

void set_window_size(const Fd& terminal, WindowSize size) {
  winsize w{};
  w.ws_row = size.rows;
  w.ws_col = size.columns;
  if (::ioctl(terminal.get(), TIOCSWINSZ, &w) != 0) throw_errno("set the size of a terminal");
}

struct RawMode::Saved {
  int fd;
  termios before, raw;
};

RawMode::RawMode(int fd) {
  termios before{};
  if (::tcgetattr(fd, &before) != 0) throw_errno("read the settings of the terminal");
  termios raw = before;
  ::cfmakeraw(&raw);
  saved_ = std::make_unique<Saved>(Saved{fd, before, raw});
  again();
}

void RawMode::again() {
  // TCSADRAIN and not FLUSH: what the person typed ahead reaches the container.
  while (::tcsetattr(saved_->fd, TCSADRAIN, &saved_->raw) != 0)
    if (errno != EINTR) throw_errno("set the terminal to raw mode");
}

void RawMode::restore() {
  if (!saved_) return;
  while (::tcsetattr(saved_->fd, TCSADRAIN, &saved_->before) != 0 && errno == EINTR) {
  }
  saved_.reset();
}

RawMode::~RawMode() { restore(); }

struct HiddenInput::Saved {
  int fd;
  termios before;
};

HiddenInput::HiddenInput(int fd) {
  termios before{};
  if (::tcgetattr(fd, &before) != 0) return;
  termios dark = before;
  dark.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
  if (::tcsetattr(fd, TCSAFLUSH, &dark) != 0) throw_errno("hide what is typed");
  saved_ = std::make_unique<Saved>(Saved{fd, before});
}

HiddenInput::~HiddenInput() {
  if (saved_) ::tcsetattr(saved_->fd, TCSADRAIN, &saved_->before);
}

}  // namespace servin
