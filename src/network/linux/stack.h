// SPDX-License-Identifier: Apache-2.0
// The networks of one engine root in this kernel: links and addresses by rtnetlink, ports and isolation by one nftables
// table. Every call brings what is there into line with what is asked for, so that it repairs what was deleted by hand
// ("nft flush ruleset", "ip link del") and may be repeated after a kill.
//
// A container's network namespace is made first (create_namespace) and lives as long as somebody holds it; the links in
// it go with it. What a container has outside of it (elements of the table) stands in RUN/networks/attached/ID before
// the kernel gets it, so that a kill -9 at any moment leaves something that detach(ID) finds.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/linux/links.h"
#include "network/network.h"
#include "os/fd.h"

namespace servin::network {

struct StackConfig {
  std::string tag;      // Paths::tag
  std::string run_dir;  // RUN/networks; made when missing
  /// All networks of the engine. Called when the table is found missing, with the stack's lock held: must not call
  /// back.
  std::function<std::vector<NetworkConfig>()> networks;
};

/// A socket that keeps a published port ours. The holder of the container (its shim) has it as long as the container
/// runs. What arrives at it although the kernel forwards (::1, the table flushed) goes to `target` by servin-netd.
struct HeldPort {
  Fd socket;
  Protocol protocol = Protocol::tcp;
  Address target;  // the container's
  std::uint16_t target_port = 0;
};

struct Attached {
  std::vector<PortMapping> ports;  // with the host ports that are ours, in the order of the plan
  std::vector<HeldPort> held;
};

class NetworkStack {
 public:
  explicit NetworkStack(StackConfig config);
  ~NetworkStack();
  NetworkStack(const NetworkStack&) = delete;
  NetworkStack& operator=(const NetworkStack&) = delete;

  /// A new network namespace with its loopback up. The calling process has one thread.
  static Fd create_namespace();

  /// The bridge with its addresses and the table's rules are there. attach() does it too.
  void ensure_network(const NetworkConfig& network);
  /// Links, addresses, routes in the namespace and the elements of the table; holds the ports first. `networks` has
  /// those of the plan's endpoints. All or nothing. Throws E-PORT-BUSY naming who has the port.
  Attached attach(const Fd& space, const ContainerNetworkPlan& plan, const std::vector<NetworkConfig>& networks);
  /// network connect and disconnect of a running container.
  void connect(const Fd& space, const std::string& container_id, const Endpoint& endpoint,
               const NetworkConfig& network);
  void disconnect(const Fd& space, const std::string& container_id, const std::string& network_id);
  /// After the container's end: its elements leave the table, its links go if they are still there. No error for what
  /// is not there. The bridge stays for the next one: a kernel takes tens of milliseconds to remove it.
  void detach(const std::string& container_id);
  /// Is there anything for prune()?
  bool has_unused() const;
  /// Bridges and the table that nobody needs (any more) go.
  void prune();
  /// What it has now, with the real host ports; nothing when it is not attached.
  std::optional<Attachment> attachment(const std::string& container_id) const;
  /// All that are attached, or were and nobody called detach() since.
  std::vector<std::string> attached() const;
  /// No container is in it any more: its links and elements go.
  void remove_network(const NetworkConfig& network);
  /// Makes everything anew: the table in one transaction, bridges that are missing, links that lost their bridge.
  /// Removes links of this root that belong to nobody.
  void reload();
  /// Links of this root that belong to no network and no attached container.
  std::vector<Link> strays();
  void remove_link(int index);
  /// Nothing of this root is left in the kernel.
  void remove_all();

 private:
  struct Kernel;
  StackConfig config_;
  std::unique_ptr<Kernel> kernel_;
};

/// Subnets that this host uses: addresses of links and routes, default routes left out. A new network steps aside.
std::vector<Subnet> used_subnets();

}  // namespace servin::network
