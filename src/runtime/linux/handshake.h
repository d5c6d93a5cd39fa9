// SPDX-License-Identifier: Apache-2.0
// The numbered messages between the launcher, its child and servin-init (init/record.h) over one SOCK_SEQPACKET pair.
// The end of the stream means that the user's program has been executed: exec closes the last copy of the socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "init/record.h"
#include "os/fd.h"

namespace servin::runtime {

class Handshake {
 public:
  explicit Handshake(Fd socket) : socket_(std::move(socket)) {}

  void send_error(const Error& e);
  void send_terminal(const Fd& master);
  void send_ready();
  /// The answer to ready: nothing means that the other side is gone.
  void send_go();
  bool wait_for_go();

  struct Message {
    init::MessageKind kind;
    Fd fd;
    pid_t pid = 0;  // joined
  };
  /// Nothing at the end. Throws what the other side reports, and internal for a message out of order.
  std::optional<Message> receive(const std::string& command, const std::string& cwd);

  const Fd& socket() const { return socket_; }
  std::uint32_t next_number() const { return number_; }

 private:
  void send(init::MessageKind kind, std::string_view payload, const Fd* fd);
  Fd socket_;
  std::uint32_t number_ = 1;
};

/// What servin-init could not do, in words. `command`: args[0]; `cwd`: the working directory.
Error failure_error(const init::Failure& failure, const std::string& command, const std::string& cwd);

}  // namespace servin::runtime
