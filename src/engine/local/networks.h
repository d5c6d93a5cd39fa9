// SPDX-License-Identifier: Apache-2.0
// The engine's networks as containers use them: who is in which one (network_store.h), and what of it is in the kernel
// (network/linux) and in the resolvers (network/dns).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/paths.h"
#include "engine/local/network_names.h"
#include "engine/local/network_store.h"
#include "engine/local/spec_parts.h"
#include "engine/types.h"
#include "network/linux/stack.h"

namespace servin::engine {

std::vector<PortSpec> shown_ports(const network::Attachment& attachment);
std::vector<NetworkAddress> shown_networks(const network::Attachment& attachment);

class Networks {
 public:
  Networks(const Paths& paths, NameOf name_of);
  ~Networks();
  Networks(const Networks&) = delete;
  Networks& operator=(const Networks&) = delete;

  /// --network MODE that needs this room at all.
  static bool is_one(const std::string& mode);
  NetworkStore& store() { return store_; }

  /// The host's, as containers of this network reach it.
  std::vector<std::string> host_addresses(const std::string& network);

  /// A new container's place in its network, with the addresses that it asks for. Undone by forget().
  void enter(const ContainerConfig& config);
  void enter(const Network& network, const std::string& container, const NetworkAddress& wanted);
  /// Of a running container, whose network namespace `space` is.
  void connect(const Fd& space, const ContainerConfig& config, const Network& network);
  void disconnect(const Fd& space, const std::string& container, const std::string& network_id);
  bool is_attached(const std::string& container, const std::string& network_id);
  /// Are its published ports in this network?
  bool publishes_in(const std::string& container, const std::string& network_id);

  /// A container on its way: its namespace, with everything in it.
  struct Joined {
    Fd space;
    network::Attached attached;
    NetworkView view;
    network::NetworkConfig resolver_network;  // whose resolver the container would ask
    dns::Endpoint names;                      // its line there
  };
  Joined join(const ContainerConfig& config);
  /// What join() would tell of one that runs.
  Joined present(const ContainerConfig& config);
  /// After write_network_files() said that one is needed.
  void ensure_resolver(const Joined& joined);
  /// The container runs no more. Cheap when it has no network. Bridges stay until drop_unused().
  void leave(const std::string& container);
  /// After a short rest, so that the next container finds its bridge: for a sweeper, for nobody who is waited for.
  void drop_unused();
  /// Nobody is in any, and something of them may be left: a cheap look.
  bool is_deserted() const;
  /// Is there anything for drop_unused()?
  bool has_unused();
  /// It is removed: its addresses are free.
  void forget(const std::string& container);
  void rename(const std::string& container, const std::string& name);
  /// What it has while it runs.
  std::optional<network::Attachment> attachment(const std::string& container);
  /// Of one that does not run: the networks that it is in.
  std::vector<NetworkAddress> places(const std::string& container);
  /// Those that run in this network.
  std::vector<NetworkMember> running_members(const std::string& network_id);
  /// It is in no container's way any more: record, resolver and what the kernel has of it go.
  void remove(const Network& network);
  /// Links that are nobody's, and what takes one away.
  std::vector<network::Link> strays();
  void remove_link(int index) { stack().remove_link(index); }
  /// Everything in the kernel anew.
  void reload();
  /// Containers that are attached although `is_running` says no leave.
  void sweep(const std::function<bool(const std::string&)>& is_running);

 private:
  struct Place {
    network::NetworkConfig network;
    network::Endpoint endpoint;
  };
  network::NetworkStack& stack();
  Place take_place(const network::NetworkConfig& network, const std::string& container, unsigned number);
  std::vector<Place> take_places(const ContainerConfig& config);
  void describe(Joined& joined, const std::vector<Place>& places, const ContainerConfig& config) const;
  void add_name(const Place& place, const ContainerConfig& config);
  NetworkNames names(const std::string& network_id) const { return NetworkNames(run_dir() + "/" + network_id); }
  dns::Endpoint names_line(const Place& place, const ContainerConfig& config) const;
  std::vector<dns::Endpoint> lines_of_others(const network::NetworkConfig& network);
  std::string run_dir() const { return paths_.run + "/networks"; }
  std::string attached_dir() const { return run_dir() + "/attached"; }

  const Paths& paths_;
  NameOf name_of_;
  NetworkStore store_;
  std::unique_ptr<network::NetworkStack> stack_;
};

}  // namespace servin::engine
