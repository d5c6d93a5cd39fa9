// SPDX-License-Identifier: Apache-2.0
#include "engine/local/networks.h"

#include <algorithm>
#include <poll.h>
#include <set>

#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/rollback.h"
#include "base/strings.h"
#include "engine/options.h"
#include "network/dns/ensure.h"
#include "network/plan.h"
#include "os/file.h"

namespace servin::engine {

using network::NetworkConfig;
using network::Subnet;

namespace {

std::optional<network::PortMapping> mapping_of(const PortSpec& p) {
  network::PortMapping m;
  m.host_ip = network::Address::parse(p.host_ip);
  if (m.host_ip && m.host_ip->is_any() && !m.host_ip->v6) m.host_ip = network::Address{};
  m.host_port = p.host_port;
  m.last_host_port = p.last_host_port;
  m.container_port = p.container_port;
  auto protocol = network::parse_protocol(p.protocol);
  if (!protocol) return std::nullopt;
  m.protocol = *protocol;
  return m;
}

std::vector<network::PortMapping> ports_of(const ContainerConfig& config) {
  std::vector<network::PortMapping> ports;
  auto add = [&](const PortSpec& p) {
    auto m = mapping_of(p);
    if (m && std::find(ports.begin(), ports.end(), *m) == ports.end()) ports.push_back(*m);
  };
  for (const auto& text : config.request.publish)
    for (const auto& p : parse_publish(text)) add(p);
  if (!config.request.publish_all) return ports;
  for (const auto& exposed : config.exposed_ports)
    for (const auto& p : parse_publish(exposed)) {
      bool given = std::any_of(ports.begin(), ports.end(), [&](const network::PortMapping& m) {
        return m.container_port == p.container_port && network::protocol_name(m.protocol) == p.protocol;
      });
      if (!given) add(p);
    }
  return ports;
}

/// Until nobody has come or gone for a while. Whoever starts containers one after the other is not to meet the removal
/// of the bridge, for which the kernel takes tens of milliseconds.
void wait_until_quiet(const std::string& folder) {
  constexpr std::int64_t quiet = 200'000'000, patience = 10'000'000'000;
  auto changed = [&] {
    struct stat st{};
    return ::stat(folder.c_str(), &st) == 0 ? st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec : 0;
  };
  std::int64_t since = monotonic_ns(), deadline = since + patience, seen = changed();
  while (monotonic_ns() < std::min(since + quiet, deadline)) {
    ::poll(nullptr, 0, 20);
    std::int64_t now = changed();
    if (now != seen) since = monotonic_ns();
    seen = now;
  }
}

/// Of the host, on the network's bridge.
std::vector<std::string> gateways_of(const NetworkConfig& network) {
  std::vector<std::string> addresses;
  if (network.driver != network::Driver::bridge) return addresses;  // there the gateway is somebody else
  for (const auto& s : network.subnets)
    if (s.gateway) addresses.push_back(s.gateway->text());
  return addresses;
}

/// Names need a resolver, and the resolver an address of the host's.
bool has_names(const NetworkConfig& network) {
  return network.driver == network::Driver::bridge && !network.default_bridge;
}

/// An address that somebody chooses must stay: a subnet of the engine's choice may not.
void check_wanted(const Network& network, const network::Address& a) {
  for (const auto& s : network.subnets) {
    if (!s.chosen || !Subnet::parse(s.subnet) || Subnet::parse(s.subnet)->address.v6 != a.v6) continue;
    throw error(ErrorCode::invalid_argument, "{} {}: the subnet of network {} is the engine's choice and may change",
                a.v6 ? "--ip6" : "--ip", a.text(), network.name)
        .with_id("E-OPTION-CONFLICT")
        .with_hint("make the network with a --subnet of your own");
  }
}

}  // namespace

Networks::Networks(const Paths& paths, NameOf name_of)
    : paths_(paths), name_of_(std::move(name_of)), store_(paths, name_of_) {}
Networks::~Networks() = default;

bool Networks::is_one(const std::string& mode) {
  return mode != "none" && mode != "host" && !mode.starts_with("container:");
}

network::NetworkStack& Networks::stack() {
  if (!stack_)
    stack_ = std::make_unique<network::NetworkStack>(
        network::StackConfig{paths_.tag, run_dir(), [this] { return store_.known(); }});
  return *stack_;
}

std::vector<std::string> Networks::host_addresses(const std::string& network) {
  NetworkConfig config = network == "bridge" ? store_.default_bridge() : network_config(store_.find(network));
  return gateways_of(config);
}

void Networks::enter(const Network& network, const std::string& container, const NetworkAddress& wanted) {
  Member member;
  for (const auto& text : {wanted.address, wanted.address6})
    if (auto address = network::Address::parse(text)) member.addresses.push_back(*address);
  member.mac = network::MacAddress::parse(wanted.mac);
  member.aliases = wanted.aliases;
  for (const auto& a : member.addresses) check_wanted(network, a);
  store_.enter(network, container, member);
}

void Networks::enter(const ContainerConfig& config) {
  const CreateRequest& r = config.request;
  if (!is_one(r.network)) return;
  NetworkAddress wanted;
  wanted.address = r.ip;
  wanted.address6 = r.ip6;
  wanted.mac = r.mac;
  wanted.aliases = r.network_aliases;
  if (r.network != "bridge") enter(store_.find(r.network), config.id, wanted);
  for (const auto& other : r.more_networks) enter(store_.find(other), config.id, {});
}

Networks::Place Networks::take_place(const NetworkConfig& network, const std::string& container, unsigned number) {
  Leases leases = store_.leases(network.id);
  network::Endpoint e;
  e.network_id = network.id;
  e.addresses = leases.take(network, container);
  Member member = leases.member(container).value_or(Member{});
  e.mac = member.mac;
  e.aliases = member.aliases;
  e.interface = fmt::format("eth{}", number);
  return {network, std::move(e)};
}

/// What it has in each of its networks, the one of --network first.
std::vector<Networks::Place> Networks::take_places(const ContainerConfig& config) {
  const std::string& main = config.request.network;
  std::vector<Place> places;
  std::string first;
  if (main == "bridge") {
    places.push_back(take_place(store_.usable_bridge(), config.id, 0));
    places.back().endpoint.mac = network::MacAddress::parse(config.request.mac);
  } else {
    Network network = store_.find(main);
    first = network.id;
    places.push_back(take_place(store_.usable(network, config.id), config.id, 0));
  }
  for (const auto& id : store_.networks_of(config.id)) {
    auto network = id == first ? std::nullopt : store_.read(id);
    if (!network) continue;
    places.push_back(take_place(store_.usable(*network, config.id), config.id, static_cast<unsigned>(places.size())));
  }
  return places;
}

/// The resolver is that of the first network with names, which answers for the others too.
void Networks::describe(Joined& joined, const std::vector<Place>& places, const ContainerConfig& config) const {
  const Place* resolving = nullptr;
  for (const auto& place : places) {
    for (const auto& a : place.endpoint.addresses) joined.view.addresses.push_back(a.text());
    bool better = resolving == nullptr || (has_names(place.network) && !has_names(resolving->network));
    if (better) resolving = &place;
  }
  if (resolving == nullptr) return;
  joined.view.host_addresses = gateways_of(resolving->network);
  joined.view.resolver = has_names(resolving->network);
  joined.resolver_network = resolving->network;
  joined.names = names_line(*resolving, config);
}

void Networks::add_name(const Place& place, const ContainerConfig& config) {
  if (!has_names(place.network)) return;
  names(place.network.id).add(place.network, names_line(place, config), [&] { return lines_of_others(place.network); });
}

Networks::Joined Networks::join(const ContainerConfig& config) {
  std::vector<Place> places = take_places(config);
  network::ContainerNetworkPlan plan;
  plan.container_id = config.id;
  plan.ports = ports_of(config);
  std::vector<NetworkConfig> networks;
  for (const auto& place : places) {
    plan.endpoints.push_back(place.endpoint);
    networks.push_back(place.network);
  }
  Joined joined;
  joined.space = network::NetworkStack::create_namespace();
  joined.attached = stack().attach(joined.space, plan, networks);
  for (const auto& place : places) add_name(place, config);
  describe(joined, places, config);
  return joined;
}

Networks::Joined Networks::present(const ContainerConfig& config) {
  Joined joined;
  auto now = attachment(config.id);
  if (!now) return joined;
  std::vector<Place> places;
  for (const auto& e : now->plan.endpoints)
    if (const NetworkConfig* n = network::find_network(now->networks, e.network_id)) places.push_back({*n, e});
  describe(joined, places, config);
  return joined;
}

void Networks::connect(const Fd& space, const ContainerConfig& config, const Network& network) {
  unsigned number = 0;
  if (auto now = attachment(config.id)) {
    auto taken = [&](unsigned n) {
      return std::any_of(now->plan.endpoints.begin(), now->plan.endpoints.end(),
                         [&](const network::Endpoint& e) { return e.interface == fmt::format("eth{}", n); });
    };
    while (taken(number)) ++number;
  }
  Place place = take_place(store_.usable(network, config.id), config.id, number);
  stack().connect(space, config.id, place.endpoint, place.network);
  Rollback undo;
  undo.add([&] { stack().disconnect(space, config.id, network.id); });
  add_name(place, config);
  undo.commit();
}

void Networks::disconnect(const Fd& space, const std::string& container, const std::string& network_id) {
  names(network_id).remove(container);
  stack().disconnect(space, container, network_id);
}

/// Nobody has a name in the default network, but its resolver lives as long as somebody is in it.
dns::Endpoint Networks::names_line(const Place& place, const ContainerConfig& config) const {
  auto text = [&](bool v6) {
    auto address = place.endpoint.address(v6);
    return address ? address->text() : std::string();
  };
  dns::Endpoint line{text(false), text(true), config.id, config.id.substr(0, 12), {}, {}};
  if (!has_names(place.network)) return line;
  line.name = config.request.name;
  line.aliases = place.endpoint.aliases;
  line.dns = config.request.dns;
  return line;
}

/// Of what is in the kernel: name servers of their own are lost until they start again.
std::vector<dns::Endpoint> Networks::lines_of_others(const NetworkConfig& network) {
  std::vector<dns::Endpoint> lines;
  for (const auto& id : stack().attached()) {
    auto a = stack().attachment(id);
    auto name = name_of_(id);
    if (!a || !name) continue;
    for (const auto& e : a->plan.endpoints) {
      if (e.network_id != network.id) continue;
      ContainerConfig config;
      config.id = id;
      config.request.name = *name;
      lines.push_back(names_line({network, e}, config));
    }
  }
  return lines;
}

void Networks::ensure_resolver(const Joined& joined) {
  const NetworkConfig& n = joined.resolver_network;
  // Where containers have names, its line is there already.
  if (!has_names(n)) names(n.id).add(n, joined.names, [&] { return lines_of_others(n); });
  network::ensure_netd(names(n.id).dir());
}

/// The names first: as long as the record of the attachment is there, somebody comes to take away what is left.
void Networks::leave(const std::string& container) {
  if (!path_exists(attached_dir() + "/" + container)) return;
  if (auto before = stack().attachment(container))
    for (const auto& n : before->networks) names(n.id).remove(container);
  stack().detach(container);
}

void Networks::drop_unused() {
  if (!path_exists(run_dir())) return;
  // Whoever finds the lock taken may leave: the holder looks once more after it has let go. It sees the links of its
  // own network namespace only, and somebody may have called us in another one.
  struct stat space{};
  if (::stat("/proc/self/ns/net", &space) != 0) return;
  std::string lock = fmt::format("{}/prune-{}.lock", run_dir(), space.st_ino);
  constexpr int most = 5;  // what cannot go now waits for the next sweep
  for (int i = 0; i < most && stack().has_unused(); ++i) {
    auto held = FileLock::try_acquire(lock);
    if (!held) return;
    wait_until_quiet(attached_dir());
    stack().prune();
  }
}

bool Networks::has_unused() { return path_exists(run_dir()) && stack().has_unused(); }

bool Networks::is_deserted() const { return path_exists(attached_dir()) && list_dir(attached_dir()).empty(); }

void Networks::forget(const std::string& container) {
  for (const auto& id : store_.networks_of(container)) store_.leases(id).release(container);
  store_.leases(store_.bridge_id()).release(container);
}

void Networks::rename(const std::string& container, const std::string& name) {
  auto now = attachment(container);
  if (!now) return;
  for (const auto& n : now->networks)
    if (has_names(n)) names(n.id).rename(container, name);
}

std::optional<network::Attachment> Networks::attachment(const std::string& container) {
  if (!path_exists(attached_dir() + "/" + container)) return std::nullopt;
  return stack().attachment(container);
}

void Networks::remove(const Network& network) {
  store_.remove(network);
  stack().remove_network(network_config(network));
}

std::vector<network::Link> Networks::strays() {
  // Before the first container of all there is no folder, and a look makes none.
  return path_exists(run_dir()) ? stack().strays() : std::vector<network::Link>();
}

void Networks::reload() {
  stack().reload();
  std::set<std::string> done;
  for (const auto& id : stack().attached())
    if (auto a = stack().attachment(id))
      for (const auto& n : a->networks)
        if (has_names(n) && done.insert(n.id).second) network::ensure_netd(names(n.id).dir());
}

void Networks::sweep(const std::function<bool(const std::string&)>& is_running) {
  for (const auto& id : list_dir(attached_dir())) {
    try {
      if (is_full_id(id) && !is_running(id)) leave(id);
    } catch (const Error& e) {
      log::debug("networks of {}: {}", id, e.what());
    }
  }
}

}  // namespace servin::engine
