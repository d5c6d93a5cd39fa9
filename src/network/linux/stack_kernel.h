// SPDX-License-Identifier: Apache-2.0
// What NetworkStack does in the kernel and in the records of what it did: the steps of which its calls are made.
// Private to stack.cc.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <linux/netlink.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/rollback.h"
#include "linux/net_namespace.h"
#include "network/linux/foreign.h"
#include "network/linux/host_settings.h"
#include "network/linux/links.h"
#include "network/linux/stack.h"
#include "network/linux/table.h"
#include "os/file.h"

namespace servin::network {

constexpr std::size_t attachment_limit = 4U << 20U;  // bytes of a record

/// Sockets are opened when something is to be done.
struct NetworkStack::Kernel {
  explicit Kernel(const StackConfig& c) : config(c), names(c.tag), table(c.tag), nft(NETLINK_NETFILTER) {}

  const StackConfig& config;
  LinkNames names;
  Links links;
  Table table;
  kernel::NetlinkSocket nft;

  std::string alias(const std::string& what) const { return "servin " + config.tag + " " + what; }
  std::string mark() const { return "servin-" + config.tag; }
  std::string folder() const { return config.run_dir + "/attached"; }
  std::string record(const std::string& container_id) const { return folder() + "/" + container_id; }

  FileLock lock() const {
    make_dirs(config.run_dir);
    FileLock held = FileLock::acquire(config.run_dir + "/lock", "the set-up of networks", lock_patience);
    make_dirs(folder());  // whoever had it before may have removed the folder
    return held;
  }

  std::optional<Attachment> load(const std::string& container_id) const {
    auto bytes = read_file(record(container_id), attachment_limit);
    if (!bytes) return std::nullopt;
    return Attachment::decode(*bytes);
  }

  /// Of what is attached. A killed command may have left half of a record, whose name has a dot.
  std::vector<std::string> ids() const {
    auto found = list_dir(folder());
    std::erase_if(found, [](const std::string& name) { return name.find('.') != std::string::npos; });
    return found;
  }

  /// Oldest first: of two that claim one port, the later one has it.
  std::vector<Attachment> load_all() const {
    std::vector<std::pair<std::int64_t, Attachment>> found;
    for (const auto& id : ids()) {
      struct stat s{};
      if (::stat(record(id).c_str(), &s) != 0) continue;
      try {
        if (auto a = load(id)) found.emplace_back(s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec, std::move(*a));
      } catch (const Error& e) {
        log::warn("{}: {}", record(id), e.what());
      }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Attachment> all;
    for (auto& [when, a] : found) all.push_back(std::move(a));
    return all;
  }

  Inventory inventory() const {
    return {config.networks ? config.networks() : std::vector<NetworkConfig>{}, load_all()};
  }

  void add_elements(const std::vector<TableElement>& elements) {
    if (table.add(elements)) return;
    auto all = plan_elements(names, inventory());
    // What is being made is not in the inventory yet.
    for (const auto& e : elements)
      if (std::find(all.begin(), all.end(), e) == all.end()) {
        std::erase_if(all, [&](const TableElement& other) { return other.set == e.set && other.key == e.key; });
        all.push_back(e);
      }
    table.rebuild(all);
  }

  std::vector<std::string> foreign_links(const std::vector<NetworkConfig>& networks) const {
    std::vector<std::string> bridges = {names.prefix() + "b*"};
    for (const auto& n : networks)
      if (!n.bridge_name.empty()) bridges.push_back(n.bridge_name);
    return bridges;
  }

  /// Bridge and settings. True: it was not there.
  bool ensure_bridge(const NetworkConfig& network) {
    BridgePlan plan = plan_bridge(names, network);
    bool missing = Links::index_of(plan.name) == 0;
    if (!network.internal) enable_forwarding(plan.v4, plan.v6);
    if (missing) make_room_for_neighbours(plan.v4, plan.v6);
    links.ensure_bridge(plan, alias("network " + network.id));
    if (missing) links.wait_until_local(plan.addresses);
    return missing;
  }

  void ensure_shard(const NetworkConfig& network, unsigned shard) {
    if (shard == 0) return;
    links.ensure_shard(names.bridge(network, shard), names.bridge(network), names.trunk(network, shard),
                       names.trunk_peer(network, shard), network.mtu, network.isolated, alias("network " + network.id));
  }

  /// Endpoints that a deleted bridge left behind come back to the new one.
  void rejoin(const Attachment& a, const NetworkConfig& network) {
    for (const auto& endpoint : a.plan.endpoints) {
      if (endpoint.network_id != network.id) continue;
      EndpointPlan plan = plan_endpoint(names, network, a.plan.container_id, endpoint, false);
      if (plan.host_link.empty() || Links::index_of(plan.host_link) == 0) continue;
      ensure_shard(network, plan.shard);
      links.set_master(plan.host_link, plan.bridge, plan.isolated, alias("container " + a.plan.container_id));
      links.add_neighbours(names.bridge(network), plan.addresses, plan.mac);
      links.wait_until_up({plan.host_link, plan.bridge});
    }
  }

  void ensure_links(const NetworkConfig& network, unsigned shard = 0) {
    if (network.driver != Driver::bridge) return;
    bool missing = shard > 0 && Links::index_of(names.bridge(network, shard)) == 0;
    missing = ensure_bridge(network) || missing;
    ensure_shard(network, shard);
    if (!missing) return;
    for (const auto& a : load_all()) rejoin(a, network);
  }

  void add_endpoint(const Fd& space, const NetworkConfig& network, const EndpointPlan& plan, const std::string& id,
                    Rollback& undo) {
    ensure_links(network, plan.shard);
    links.add_endpoint(plan, space, alias("container " + id));
    if (network.driver != Driver::bridge) return;
    undo.add([this, plan] { links.remove(plan.host_link); });
    links.add_neighbours(names.bridge(network), plan.addresses, plan.mac);
  }

  void configure(const Fd& space, const std::vector<EndpointPlan>& endpoints) {
    std::vector<std::string> outside;
    kernel::in_net_namespace(space, [&] {
      Links there;
      std::vector<std::string> inside;
      for (const auto& e : endpoints) {
        there.configure(e);
        inside.push_back(e.interface);
        if (e.driver == Driver::bridge) outside.insert(outside.end(), {e.host_link, e.bridge});
      }
      there.wait_until_up(inside);
      for (const auto& e : endpoints) there.wait_until_local(e.addresses);
    });
    links.wait_until_up(outside);
  }

  void remove_endpoint(const NetworkConfig& network, const EndpointPlan& plan) {
    if (network.driver != Driver::bridge) return;
    links.remove_neighbours(names.bridge(network), plan.addresses);
    links.remove(plan.host_link);
  }

  void remove_bridges(const NetworkConfig& network) {
    std::string owner = alias("network " + network.id);
    for (const auto& link : links.list())
      if (link.alias == owner) links.remove(link.name);
    links.remove(names.bridge(network));
    std::vector<TableElement> elements;
    for (const auto& e : plan_elements(names, {{network}, {}})) elements.push_back(e);
    table.remove(elements);
  }

  static bool is_used(const NetworkConfig& network, const std::vector<Attachment>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Attachment& a) {
      return std::any_of(a.plan.endpoints.begin(), a.plan.endpoints.end(),
                         [&](const Endpoint& e) { return e.network_id == network.id; });
    });
  }

  /// What nobody is in goes: a bridge without anybody at it, a table without anything in it.
  void prune(const std::vector<NetworkConfig>& networks) {
    auto all = load_all();
    if (all.size() < ids().size()) return;  // whose record cannot be read may need any of them
    for (const auto& n : networks) {
      bool there = n.driver == Driver::bridge && Links::index_of(names.bridge(n)) != 0;
      if (there && !is_used(n, all)) remove_bridges(n);
    }
    if (!all.empty()) return;
    for (const auto& half : list_dir(folder())) remove_tree(folder() + "/" + half);
    remove_everything();
    ::rmdir(folder().c_str());
  }

  /// Only ports and nothing of bridges: others are on these too.
  static std::vector<TableElement> ports_of(std::vector<TableElement> elements) {
    std::erase_if(elements, [](const TableElement& e) { return e.set < TableSet::at4; });
    return elements;
  }

  /// Links of this root's that belong to none of these.
  std::vector<Link> strays(const Inventory& inventory) {
    std::vector<std::string> owners;
    std::vector<Link> found;
    for (const auto& n : inventory.networks) owners.push_back(alias("network " + n.id));
    for (const auto& c : inventory.containers) owners.push_back(alias("container " + c.plan.container_id));
    for (const auto& link : links.list())
      if (link.alias.starts_with(alias("")) && std::find(owners.begin(), owners.end(), link.alias) == owners.end())
        found.push_back(link);
    return found;
  }

  void remove_strays(const Inventory& inventory) {
    for (const auto& link : strays(inventory)) links.remove(link.index);
  }

  void remove_everything() {
    remove_strays({});
    table.drop();
    leave_foreign_tables(nft, mark());
  }
};

}  // namespace servin::network
