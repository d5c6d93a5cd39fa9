// SPDX-License-Identifier: Apache-2.0
// TCP connections taken here and carried to a container: two sockets and a pipe for each direction, the bytes stay in
// the kernel (splice). Each end may stop sending while it still receives; no connection is ever too old.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "network/dns/address.h"
#include "network/dns/loop.h"
#include "os/fd.h"

namespace servin::network {

class TcpPairs {
 public:
  TcpPairs(dns::Loop& loop, std::size_t limit) : loop_(loop), limit_(limit) {}
  TcpPairs(const TcpPairs&) = delete;
  TcpPairs& operator=(const TcpPairs&) = delete;

  /// `listener` is readable: takes what waits, up to the limit.
  void accept(const Fd& listener, const dns::SocketAddress& target);
  std::size_t count() const { return pairs_.size(); }

 private:
  struct Side {
    Fd socket;
    dns::Loop::Token token = 0;
    std::uint32_t events = 0;
  };
  /// One direction: from `from` through the pipe to the other side.
  struct Flow {
    Pipe pipe;
    std::size_t held = 0;  // bytes in the pipe
    bool ended = false;    // nothing more comes
    bool done = false;     // and all of it was handed on
  };
  struct Pair {
    Side side[2];
    Flow flow[2];  // flow[i] reads from side[i]
    bool connected = false;
  };
  void on_event(std::uint64_t id);
  bool advance(Pair& p);
  static bool pump(Flow& flow, const Fd& from, const Fd& to);
  void update(std::uint64_t id, Pair& p);
  void watch(std::uint64_t id, Side& side, std::uint32_t events);
  void close(std::uint64_t id);

  dns::Loop& loop_;
  std::size_t limit_;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Pair>> pairs_;
};

}  // namespace servin::network
