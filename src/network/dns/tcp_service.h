// SPDX-License-Identifier: Apache-2.0
// Clients that ask over TCP (RFC 7766): several questions on one connection, answers in the order in which they are
// ready. What one client or all of them can make us keep is bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "network/dns/address.h"
#include "network/dns/loop.h"
#include "network/dns/message.h"

namespace servin::dns {

struct TcpLimits {
  std::size_t connections = 128;
  std::size_t per_client = 32;
  std::size_t outstanding = 16;           // questions of one connection without an answer
  std::size_t unsent = 128U << 10U;       // bytes of answers that the client does not take; then nothing more is read
  std::int64_t idle_ns = 10'000'000'000;  // without a byte in either direction
};

class TcpService {
 public:
  using ConnectionId = std::uint64_t;
  /// `reply(connection, answer)` answers it, at once or later.
  using OnQuery = std::function<void(ConnectionId, const Address& client, std::string query)>;

  TcpService(Loop& loop, TcpLimits limits, OnQuery on_query);
  ~TcpService();
  TcpService(const TcpService&) = delete;
  TcpService& operator=(const TcpService&) = delete;

  void listen(const Fd& listener);
  /// The connection may be gone by now. An empty answer only makes room for another question.
  void reply(ConnectionId id, std::string_view answer);
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  void accept(const Fd& listener);
  void on_event(ConnectionId id, std::uint32_t events);
  bool receive(Connection& c);
  void take_queries(ConnectionId id);
  bool send(Connection& c);
  void update(ConnectionId id);
  void touch(ConnectionId id, Connection& c);
  void close(ConnectionId id);
  Connection* find(ConnectionId id);

  Loop& loop_;
  TcpLimits limits_;
  OnQuery on_query_;
  ConnectionId next_id_ = 1;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::map<Address, std::size_t> per_client_;
};

}  // namespace servin::dns
