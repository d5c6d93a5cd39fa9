// SPDX-License-Identifier: Apache-2.0
// Which networks there are: ROOT/networks/ID/config of those that people made, ROOT/networks/bridge of the default one.
// Whoever chooses a subnet, makes or removes a network holds ROOT/networks/lock. A network is there when its config is:
// what a killed command left besides goes with the next one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "engine/local/leases.h"
#include "engine/local/network_options.h"
#include "engine/network_types.h"
#include "os/file.h"

namespace servin::engine {

class NetworkStore {
 public:
  NetworkStore(const Paths& paths, NameOf name_of) : paths_(paths), name_of_(std::move(name_of)) {}

  /// Those that people made, by name.
  std::vector<Network> made() const;
  /// bridge, host, none.
  std::vector<Network> built_in() const;
  /// By name or a beginning of the id. Throws E-NETWORK-NOT-FOUND, E-ID-AMBIGUOUS.
  Network find(const std::string& text) const;
  /// By its whole id, without a look at others.
  std::optional<Network> read(const std::string& id) const;
  /// By a beginning of the id, when its record cannot be read: to be removed. Throws E-ID-AMBIGUOUS.
  std::optional<Network> find_damaged(const std::string& text) const;
  /// Those that the kernel may have something of. Takes no lock.
  std::vector<network::NetworkConfig> known() const;

  Network create(const NetworkRequest& request);
  /// Throws E-NETWORK-IN-USE naming the containers.
  void remove(const Network& network);
  /// What a killed command left goes.
  void tidy() const;
  /// The container comes into the network and stays there until Leases::release().
  void enter(const Network& network, const std::string& container, const Member& wanted);

  /// Made now if there was none.
  network::NetworkConfig default_bridge();
  network::NetworkConfig usable_bridge();
  /// For a start of `container`: what the host has come to use since is no subnet of ours any more.
  network::NetworkConfig usable(const Network& network, const std::string& container);

  Leases leases(const std::string& network_id) const { return {folder(network_id), name_of_}; }
  /// Ids of made networks in which the container has something.
  std::vector<std::string> networks_of(const std::string& container) const;
  std::vector<std::string> names_of_members(const std::string& network_id) const;
  std::string bridge_id() const;

 private:
  std::string dir() const { return paths_.root + "/networks"; }
  std::string folder(const std::string& id) const { return dir() + "/" + id; }
  std::string config(const std::string& id) const { return folder(id) + "/config"; }
  FileLock lock() const;
  bool is_damaged(const std::string& id) const;
  std::optional<network::Subnet> stored_bridge() const;
  network::NetworkConfig bridge_config(const network::Subnet& subnet) const;
  network::Subnet settle_bridge();
  /// Of the host, and of networks that the kernel has nothing of at the moment.
  std::vector<network::Subnet> taken_subnets(const std::string& except) const;
  void choose_subnets(Network& network) const;
  void check_subnets(const Network& network) const;
  /// Folders without a record; the resolver of one ends with it.
  std::vector<std::string> leftovers() const;
  void drop_leftovers() const;

  const Paths& paths_;
  NameOf name_of_;
};

}  // namespace servin::engine
