// SPDX-License-Identifier: Apache-2.0
#include "engine/local/network_store.h"

#include <algorithm>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "engine/local/records.h"
#include "network/linux/links.h"
#include "network/linux/stack.h"
#include "network/plan.h"

namespace servin::engine {

using network::Driver;
using network::NetworkConfig;
using network::Subnet;

namespace {

const Subnet* overlapping(const std::vector<Subnet>& list, const Subnet& subnet) {
  auto found = std::find_if(list.begin(), list.end(), [&](const Subnet& s) { return s.overlaps(subnet); });
  return found == list.end() ? nullptr : &*found;
}

Error nothing_free(std::string_view what, std::string_view range) {
  return error(ErrorCode::resource_exhausted, "the host uses all of {}: there is no subnet for {}", range, what)
      .with_id("E-SUBNET-FULL");
}

Error subnet_used(const std::string& what, const std::string& hint) {
  return error(ErrorCode::conflict, "{}", what).with_id("E-SUBNET-USED").with_hint(hint);
}

Error no_such_network(const std::string& text, const std::string& hint) {
  return error(ErrorCode::not_found, "no such network: {}", printable(text))
      .with_id("E-NETWORK-NOT-FOUND")
      .with_hint(hint.empty() ? "servin network ls lists them; servin network create makes one" : hint);
}

Error ambiguous(const std::string& text, const std::string& one, const std::string& other) {
  return error(ErrorCode::conflict, "more than one network's id begins with {}", text)
      .with_id("E-ID-AMBIGUOUS")
      .with_hint(fmt::format("write more of it: {} or {}", short_id(one), short_id(other)));
}

Error in_use(const Network& n, const std::vector<std::string>& users) {
  bool one = users.size() == 1;
  return error(ErrorCode::conflict, "network {} is in use by container{} {}", n.name, one ? "" : "s", join(users, ", "))
      .with_id("E-NETWORK-IN-USE")
      .with_hint("remove " + std::string(one ? "that" : "them") + " first: servin rm -f " + join(users, " "));
}

bool is_bridge(const Network& n) { return n.driver == "bridge"; }

}  // namespace

FileLock NetworkStore::lock() const {
  make_dirs(dir());
  return FileLock::acquire(dir() + "/lock", "the list of networks", lock_patience);
}

std::string NetworkStore::bridge_id() const { return sha256_hex("bridge " + paths_.tag); }

std::optional<Network> NetworkStore::read(const std::string& id) const {
  auto text = read_file(config(id));
  if (!text) return std::nullopt;
  Network n = parse_network(id, *text);
  network_config(n);  // says what a damaged record would say later
  return n;
}

std::vector<Network> NetworkStore::made() const {
  std::vector<Network> networks;
  for (const auto& id : list_dir(dir())) {
    if (!is_full_id(id)) continue;
    try {
      if (auto n = read(id)) networks.push_back(std::move(*n));
    } catch (const Error& e) {
      // One damaged network must not hide the others.
      log::warn("network {}: {}", id.substr(0, 12), e.what());
    }
  }
  std::sort(networks.begin(), networks.end(), [](const Network& a, const Network& b) { return a.name < b.name; });
  return networks;
}

std::vector<Network> NetworkStore::built_in() const {
  std::vector<Network> networks;
  for (const char* name : {"bridge", "host", "none"}) {
    Network n;
    n.name = name;
    n.driver = n.name == "none" ? "null" : n.name;
    n.id = sha256_hex(n.name + " " + paths_.tag);
    n.built_in = true;
    if (n.name == "bridge")
      if (auto s = stored_bridge()) n.subnets = {{s->text(), s->nth(1)->text(), "", true}};
    networks.push_back(std::move(n));
  }
  return networks;
}

Network NetworkStore::find(const std::string& text) const {
  std::vector<Network> all = built_in();
  for (auto& n : made()) all.push_back(std::move(n));
  std::vector<std::string> names;
  std::vector<const Network*> found;
  for (const auto& n : all) {
    if (n.name == text || n.id == text) return n;
    names.push_back(n.name);
    if (is_id_prefix(text) && n.id.starts_with(text)) found.push_back(&n);
  }
  if (found.size() == 1) return *found[0];
  if (found.size() > 1) throw ambiguous(text, found[0]->id, found[1]->id);
  throw no_such_network(text, did_you_mean_hint(text, names));
}

std::optional<Network> NetworkStore::find_damaged(const std::string& text) const {
  if (!is_id_prefix(text)) return std::nullopt;
  std::optional<Network> found;
  for (const auto& id : list_dir(dir())) {
    if (!is_full_id(id) || !id.starts_with(text) || !is_damaged(id)) continue;
    if (found) throw ambiguous(text, found->id, id);
    found.emplace();
    found->id = id;
    found->name = short_id(id);
    found->driver = "bridge";
  }
  return found;
}

bool NetworkStore::is_damaged(const std::string& id) const {
  try {
    read(id);
    return false;
  } catch (const Error&) {
    return true;
  }
}

std::vector<NetworkConfig> NetworkStore::known() const {
  std::vector<NetworkConfig> configs;
  if (auto s = stored_bridge()) configs.push_back(bridge_config(*s));
  for (const auto& n : made()) configs.push_back(network_config(n));
  return configs;
}

// --- subnets

std::optional<Subnet> NetworkStore::stored_bridge() const {
  return Subnet::parse(trim(read_file(dir() + "/bridge").value_or("")));
}

NetworkConfig NetworkStore::bridge_config(const Subnet& subnet) const {
  NetworkConfig n;
  n.id = bridge_id();
  n.name = "bridge";
  n.default_bridge = true;
  n.subnets = {{subnet.network(), subnet.nth(1), {}}};
  return n;
}

std::vector<Subnet> NetworkStore::taken_subnets(const std::string& except) const {
  auto taken = network::used_subnets();
  for (const auto& n : known())
    if (n.id != except)
      for (const auto& s : n.subnets) taken.push_back(s.subnet);
  return taken;
}

Subnet NetworkStore::settle_bridge() {
  FileLock held = lock();
  if (auto stored = stored_bridge()) return *stored;
  SubnetPool pool = default_pool(paths_.tag);
  auto chosen = choose_subnet(pool, taken_subnets(bridge_id()));
  if (!chosen)
    throw nothing_free("the default network", pool.range)
        .with_hint("use --network host or none; ip route shows what the host uses");
  write_file(dir() + "/bridge", chosen->text() + "\n");
  return *chosen;
}

NetworkConfig NetworkStore::default_bridge() {
  auto stored = stored_bridge();
  return bridge_config(stored ? *stored : settle_bridge());
}

/// The host may have taken to using the subnet elsewhere (a VPN, another engine). Nobody is in the network at the
/// moment, so it becomes another one; stopped containers get their new address when they start.
NetworkConfig NetworkStore::usable_bridge() {
  NetworkConfig n = default_bridge();
  if (network::Links::index_of(network::LinkNames(paths_.tag).bridge(n)) != 0) return n;
  if (overlapping(network::used_subnets(), n.subnets[0].subnet) == nullptr) return n;
  {
    FileLock held = lock();
    // Somebody else's first start came between: what the host uses is our own bridge.
    if (network::Links::index_of(network::LinkNames(paths_.tag).bridge(n)) != 0) return n;
    if (stored_bridge() == n.subnets[0].subnet) ::unlink((dir() + "/bridge").c_str());
  }
  return default_bridge();
}

void NetworkStore::choose_subnets(Network& n) const {
  auto taken = taken_subnets(n.id);
  for (const auto& s : n.subnets)
    if (!s.chosen) taken.push_back(*Subnet::parse(s.subnet));
  for (std::size_t i = 0; i < n.subnets.size(); ++i) {
    NetworkSubnet& s = n.subnets[i];
    if (!s.chosen) continue;
    bool v6 = s.subnet.empty() ? i > 0 : Subnet::parse(s.subnet)->address.v6;
    SubnetPool pool = user_pool(paths_.tag, n.id, v6);
    auto chosen = choose_subnet(pool, taken);
    if (!chosen)
      throw nothing_free("network " + n.name, pool.range)
          .with_hint("give one: --subnet 192.168.200.0/24; ip route shows what the host uses");
    s.subnet = chosen->text();
    s.gateway = chosen->nth(1)->text();
  }
}

void NetworkStore::check_subnets(const Network& n) const {
  auto others = known();
  auto used = is_bridge(n) ? network::used_subnets() : std::vector<Subnet>{};  // others share the parent's subnet
  for (const auto& s : n.subnets) {
    if (s.chosen) continue;
    Subnet subnet = *Subnet::parse(s.subnet);
    for (const auto& other : others)
      for (const auto& theirs : other.subnets)
        if (theirs.subnet.overlaps(subnet))
          throw subnet_used(
              fmt::format("--subnet {} overlaps network {}, which has {}", s.subnet, other.name, theirs.subnet.text()),
              "choose another subnet, or leave --subnet out: a free one is taken");
    if (const Subnet* taken = overlapping(used, subnet))
      throw subnet_used(fmt::format("--subnet {} overlaps {}, which the host uses", s.subnet, taken->text()),
                        "ip route shows by whom; choose another subnet, or leave --subnet out: a free one is taken");
  }
}

NetworkConfig NetworkStore::usable(const Network& network, const std::string& container) {
  NetworkConfig c = network_config(network);
  if (c.driver != Driver::bridge) return c;
  std::string link = network::LinkNames(paths_.tag).bridge(c);
  if (network::Links::index_of(link) != 0) return c;
  auto used = network::used_subnets();
  for (const auto& s : network.subnets) {
    const Subnet* taken = overlapping(used, *Subnet::parse(s.subnet));
    if (taken == nullptr) continue;
    FileLock held = lock();
    auto present = read(network.id);
    if (network::Links::index_of(link) != 0 && present) return network_config(*present);  // somebody was faster
    auto members = leases(network.id).members();
    bool alone = members.empty() || (members.size() == 1 && members[0] == container);
    if (!s.chosen || !alone || !present)
      throw subnet_used(fmt::format("the host uses {}, where network {} has {}", taken->text(), network.name, s.subnet),
                        "ip route shows by whom; a network whose subnet the engine chose steps aside when no other "
                        "container is in it");
    choose_subnets(*present);
    write_file(config(network.id), to_json(*present), 0600, Sync::yes);
    return network_config(*present);
  }
  return c;
}

// --- changes

std::vector<std::string> NetworkStore::leftovers() const {
  std::vector<std::string> found;
  for (const auto& parent : {dir(), paths_.run + "/networks"})
    for (const auto& id : list_dir(parent))
      if (is_full_id(id) && id != bridge_id() && !path_exists(config(id))) found.push_back(parent + "/" + id);
  return found;
}

void NetworkStore::drop_leftovers() const {
  for (const auto& path : leftovers()) remove_tree(path);
}

void NetworkStore::tidy() const {
  if (leftovers().empty()) return;
  FileLock held = lock();
  drop_leftovers();
}

Network NetworkStore::create(const NetworkRequest& request) {
  Network n = plan_network(request);
  NetworkConfig planned = network_config(n);
  if (planned.driver != Driver::bridge && network::Links::index_of(planned.parent) == 0)
    throw error(ErrorCode::not_found, "--opt parent={}: the host has no such interface", printable(planned.parent))
        .with_id("E-OPTION-VALUE")
        .with_hint("ip link lists them");
  FileLock held = lock();
  drop_leftovers();
  for (const auto& other : made())
    if (other.name == n.name)
      throw error(ErrorCode::already_exists, "network {} is there already", n.name)
          .with_id("E-NETWORK-EXISTS")
          .with_hint("choose another name, or remove it first: servin network rm " + n.name);
  n.id = new_id();
  n.created = now();
  check_subnets(n);
  choose_subnets(n);
  make_dirs(folder(n.id));
  write_file(config(n.id), to_json(n), 0600, Sync::yes);
  sync_path(dir());
  return n;
}

std::vector<std::string> NetworkStore::names_of_members(const std::string& network_id) const {
  std::vector<std::string> names;
  for (const auto& id : leases(network_id).members())
    if (auto name = name_of_(id)) names.push_back(*name);
  return names;
}

void NetworkStore::remove(const Network& network) {
  FileLock held = lock();
  auto users = names_of_members(network.id);
  if (!users.empty()) throw in_use(network, users);
  ::unlink(config(network.id).c_str());
  drop_leftovers();
}

void NetworkStore::enter(const Network& network, const std::string& container, const Member& wanted) {
  FileLock held = lock();
  auto present = read(network.id);
  if (!present) throw no_such_network(network.name, "");  // it was removed meanwhile
  leases(network.id).enter(network_config(*present), container, wanted);
}

std::vector<std::string> NetworkStore::networks_of(const std::string& container) const {
  std::vector<std::string> ids;
  for (const auto& id : list_dir(dir()))
    if (is_full_id(id) && id != bridge_id() && path_exists(folder(id) + "/containers/" + container)) ids.push_back(id);
  return ids;
}

}  // namespace servin::engine
