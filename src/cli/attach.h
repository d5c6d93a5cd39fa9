// SPDX-License-Identifier: Apache-2.0
// The pump between the caller's terminal or pipes and an engine::Attachment: raw mode, window size, detach keys, signal
// forwarding, back-pressure both ways.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace servin::cli {

struct PumpOptions {
  bool terminal = false;  // the container has a pty; raw mode when `in` is a terminal, size and SIGWINCH when one is
  bool attach_stdin = false;
  bool sig_proxy = true;    // --sig-proxy: signals to us go to the container (never with a terminal in raw mode)
  std::string detach_keys;  // "" = ctrl-p,ctrl-q; as parse_detach_keys takes them
  std::string name;         // of the container, for notes
  bool redraw = false;      // attach: makes a full-screen program paint again although the size is the same
  /// run --rm: when nobody reads our output any more (`| head -1`) the container is killed, as SIGPIPE would end any
  /// program of a pipeline. Otherwise it goes on without us and a note says so.
  bool kill_on_closed_output = false;
  int in = 0, out = 1, err = 2;
};

struct PumpResult {
  enum class End {
    exited,    // the container ended; `code` is its exit code
    detached,  // by the detach keys
    lost,      // the connection ended without an exit: the supervisor is gone or has cut us off
    left,      // three interrupts that the container ignored; `code` is 130
    signalled  // a signal to us that is not forwarded, or our output was closed; `code` is 128 + its number
  };
  End end = End::exited;
  int code = 0;
  bool oom_killed = false;
};

/// "ctrl-p,ctrl-q", "a,ctrl-]", "ctrl-@": single characters and ctrl-X with X one of a-z @ [ \ ] ^ _. The bytes that
/// they send. Throws invalid_argument naming the key.
std::string parse_detach_keys(std::string_view text);

/// The size of the caller's terminal for a request (Attach, Exec); both stay as they are when there is none.
void caller_size(std::uint16_t& rows, std::uint16_t& columns);

/// Runs until the container's process ends, the caller detaches, or the connection ends. Container bytes go unmixed to
/// `out` and `err`; while these cannot take more, the container waits. The terminal's settings are back when it returns
/// or throws. Notes of its own go to `err`.
PumpResult pump_attachment(engine::Attachment& attachment, const PumpOptions& options);

/// The same, for a command's handler: returns the exit code (detached 0, lost 125 by throwing).
int pump(engine::Attachment& attachment, const PumpOptions& options);

}  // namespace servin::cli
