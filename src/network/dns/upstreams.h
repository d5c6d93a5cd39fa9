// SPDX-License-Identifier: Apache-2.0
// The host's name servers, as its resolv.conf has them now (a VPN that comes or goes rewrites the file or swaps a link
// on the way to it), and which of them has answered lately.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "network/dns/address.h"
#include "network/dns/zone_folder.h"

namespace servin::dns {

struct UpstreamConfig {
  std::string resolv_conf = "/etc/resolv.conf";
  std::string stub_file = "/run/systemd/resolve/resolv.conf";  // behind systemd-resolved's stub
  std::uint16_t port = 53;
};

class Upstreams {
 public:
  explicit Upstreams(UpstreamConfig config) : config_(std::move(config)) {}

  /// The servers to ask, best first. `own` (--dns of a container, as text) replaces the host's when not empty. A
  /// container's own loopback server would be the host's here, so it is left out; `self` are addresses that would lead
  /// the question back to us.
  std::vector<SocketAddress> servers(const std::vector<std::string>& own, const std::vector<Address>& self,
                                     std::int64_t now);
  /// It did not answer in time: others go first for a while.
  void failed(const SocketAddress& server, std::int64_t now);
  void answered(const SocketAddress& server) { shunned_.erase(server); }

 private:
  void refresh();
  UpstreamConfig config_;
  FileStamp stamp_, stub_stamp_;
  bool read_ = false;
  std::vector<SocketAddress> host_;
  std::map<SocketAddress, std::int64_t> shunned_;  // until when, monotonic ns
};

}  // namespace servin::dns
