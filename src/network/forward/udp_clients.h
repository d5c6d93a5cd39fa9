// SPDX-License-Identifier: Apache-2.0
// UDP datagrams taken here and carried to a container: one socket for each client, so that the answers find back; they
// leave from the address that the client had asked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "network/dns/address.h"
#include "network/dns/loop.h"
#include "os/fd.h"

namespace servin::network {

class UdpClients {
 public:
  /// `socket` and `target` are the caller's and outlive this.
  UdpClients(dns::Loop& loop, const Fd& socket, dns::SocketAddress target, std::size_t limit);
  UdpClients(const UdpClients&) = delete;
  UdpClients& operator=(const UdpClients&) = delete;

  void receive();
  std::size_t count() const { return clients_.size(); }

 private:
  struct Client {
    Fd socket;
    dns::Loop::Token token = 0, timer = 0;
    dns::SocketAddress address;
    std::string control;  // which address of ours it had asked
  };
  Client* client(const dns::SocketAddress& address, const std::string& control);
  void answer(Client& client);
  void touch(Client& client);
  void drop(const dns::SocketAddress& address);

  dns::Loop& loop_;
  const Fd& socket_;
  dns::SocketAddress target_;
  std::size_t limit_;
  std::map<dns::SocketAddress, std::unique_ptr<Client>> clients_;
};

}  // namespace servin::network
