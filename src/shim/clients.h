// SPDX-License-Identifier: Apache-2.0
// The connections of a shim: the spawner's, and those made later over the socket in run_dir.
#pragma once

#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <string_view>

#include "os/fd.h"
#include "os/process.h"
#include "shim/client/protocol.h"

namespace servin::shim {

/// What clients ask for. Input is given on only when take_input() said that there is room.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  virtual bool can_take_input() const = 0;
  virtual void input(std::string_view bytes) = 0;
  /// `spawner`: by the connection that the container was started with.
  virtual void close_input(bool spawner) = 0;
  virtual void resize(std::uint16_t rows, std::uint16_t columns) = 0;
  /// By the spawner: it has dropped the container's record.
  virtual void released() = 0;
};

class Clients {
 public:
  static constexpr std::size_t limit = 64;

  Clients(ClientEvents& events, ProcessId process, std::string_view started_frame)
      : events_(events), process_(process), started_(started_frame) {}

  /// The spawner stays connected: gets all output that it wants, loses none of it.
  void add_spawner(Fd socket, const Subscription& wants);
  bool has_spawner() const { return static_cast<bool>(clients_[0].fd); }
  /// Takes waiting connections of the same user.
  void accept(const Fd& listener);

  /// Sends to all who want `kind`. True when the spawner could not take it: offer the same frame to it again with
  /// retry_spawner() before anything else is sent.
  bool broadcast(ToClient kind, std::string_view frame);
  bool retry_spawner(std::string_view frame);

  /// How many places of `to` it used. `spawner_stuck`: wake when it takes more.
  std::size_t fill_poll(pollfd* to, bool spawner_stuck) const;
  void handle(const pollfd* polled, std::size_t count);

 private:
  struct One {
    Fd fd;
    bool spawner = false;
    bool subscribed = false;
    bool stdin_ = false, out = false, err = false;
    bool hung_up = false;  // its last input waits for room
  };
  enum class Sent : std::uint8_t { yes, full, gone };

  static Sent send(const One& c, std::string_view frame);
  bool wants(const One& c, ToClient kind) const;
  void receive(One& c);
  void dispatch(One& c, std::string_view message);
  void subscribe(One& c, std::string_view message);
  void drop(One& c);

  ClientEvents& events_;
  ProcessId process_;
  std::string_view started_;
  One clients_[limit];  // [0] is the spawner's place
};

}  // namespace servin::shim
