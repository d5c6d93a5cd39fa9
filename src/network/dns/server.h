// SPDX-License-Identifier: Apache-2.0
// The resolver of one user-defined network: listens on its gateway addresses, answers for its containers, forwards what
// is not theirs.
#pragma once

#include <cstdint>
#include <list>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "network/dns/forwarder.h"
#include "network/dns/tcp_service.h"
#include "network/dns/zone_folder.h"

namespace servin::dns {

struct ServerConfig {
  std::uint16_t port = 53;
  UpstreamConfig upstream;
  ForwardLimits forward;
  TcpLimits tcp;
};

class Server {
 public:
  Server(Loop& loop, ZoneFolder& folder, const ServerConfig& config);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// UDP and TCP. The address need not be there yet: a bridge that was deleted by hand may come back. Port 0 takes any
  /// (tests). Throws Error; errno is EADDRINUSE when the port is somebody else's.
  void listen(const Address& address);
  void close_listeners();
  std::uint16_t port() const;
  std::size_t in_flight() const { return forwarder_.in_flight(); }
  std::size_t connections() const { return tcp_.connections(); }

 private:
  struct Listener {
    Fd fd;
    SocketAddress address;
    Loop::Token token = 0;
  };
  using Reply = std::function<void(std::string)>;
  using UdpQuestion = std::tuple<const Listener*, SocketAddress, std::string>;

  void on_udp(Listener& listener);
  void on_udp_query(Listener& listener, const SocketAddress& client, std::string query);
  /// Calls `reply` once, now or later; with nothing when no answer is due.
  void handle(const Address& client, std::string query, bool tcp, Reply reply);
  void handle_question(const Address& client, std::string query, Message message, bool tcp, Reply reply);
  std::vector<Address> own_addresses() const;

  Loop& loop_;
  ZoneFolder& folder_;
  ServerConfig config_;
  Upstreams upstreams_;
  Forwarder forwarder_;
  TcpService tcp_;
  std::list<Listener> udp_, streams_;
  std::set<UdpQuestion> pending_;  // a client that asks again while we ask is not asked for twice
  unsigned turn_ = 0;
};

}  // namespace servin::dns
