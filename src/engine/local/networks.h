// SPDX-License-Identifier: Apache-2.0
// The engine's networks: which there are, who has which address, and what of it is in the kernel (network/linux) and in
// the resolvers (network/dns).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/paths.h"
#include "engine/local/leases.h"
#include "engine/local/spec_parts.h"
#include "engine/types.h"
#include "network/linux/stack.h"

namespace servin::engine {

std::vector<PortSpec> shown_ports(const network::Attachment& attachment);
std::vector<NetworkAddress> shown_networks(const network::Attachment& attachment);

class Networks {
 public:
  Networks(const Paths& paths, std::function<bool(const std::string&)> is_known_container);
  ~Networks();
  Networks(const Networks&) = delete;
  Networks& operator=(const Networks&) = delete;

  /// --network MODE that needs this room at all.
  static bool is_one(const std::string& mode);

  /// The host's, as its containers reach it.
  std::vector<std::string> host_addresses();

  /// A container on its way: its namespace, with everything in it.
  struct Joined {
    Fd space;
    network::Attached attached;
    NetworkView view;
    std::string resolver_dir;  // of the first network: where a resolver would run
  };
  Joined join(const ContainerConfig& config);
  /// After write_network_files() said that one is needed.
  void ensure_resolver(const Joined& joined);
  /// The container runs no more. Cheap when it has no network.
  void leave(const std::string& container);
  /// It is removed: its addresses are free.
  void forget(const std::string& container);
  /// What it has while it runs.
  std::optional<network::Attachment> attachment(const std::string& container);
  /// Everything in the kernel anew.
  void reload();
  /// Containers that are attached although `is_running` says no leave.
  void sweep(const std::function<bool(const std::string&)>& is_running);

 private:
  network::NetworkStack& stack();
  network::NetworkConfig default_bridge();
  network::NetworkConfig usable_bridge();
  network::Subnet settle_subnet();
  network::Subnet choose_subnet();
  std::vector<network::NetworkConfig> all();
  Leases leases(const std::string& network_id);
  std::string names_dir(const std::string& network_id) const { return run_dir() + "/" + network_id; }
  void write_names(const network::NetworkConfig& network);
  std::string dir() const { return paths_.root + "/networks"; }
  std::string run_dir() const { return paths_.run + "/networks"; }

  const Paths& paths_;
  std::function<bool(const std::string&)> is_known_;
  std::unique_ptr<network::NetworkStack> stack_;
};

}  // namespace servin::engine
