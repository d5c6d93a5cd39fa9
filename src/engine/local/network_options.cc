// SPDX-License-Identifier: Apache-2.0
#include "engine/local/network_options.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/id.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace servin::engine {

using network::Address;
using network::Driver;
using network::NetworkConfig;
using network::Subnet;

namespace {

constexpr const char* pool_range = "10.208.0.0/12";
constexpr unsigned pool_prefix = 20;  // 4,093 containers, 256 networks
constexpr unsigned user_prefix6 = 64;

Error bad(std::string_view option, std::string_view value, std::string_view why) {
  return error(ErrorCode::invalid_argument, "{} {}: {}", option, quoted(value), why).with_id("E-OPTION-VALUE");
}

Driver parse_driver(const std::string& name) {
  auto driver = network::parse_driver(name);
  if (!driver) throw bad("--driver", name, "there is no such driver").with_hint("known: bridge, macvlan, ipvlan");
  return *driver;
}

bool parse_flag(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1" || value.empty()) return true;
  if (value == "false" || value == "0") return false;
  throw bad("--opt " + key, value, "neither true nor false").with_hint("--opt " + key + "=true");
}

std::uint32_t parse_mtu(const std::string& value) {
  constexpr std::uint64_t smallest = 68, largest = 65535;
  auto mtu = parse_u64(value);
  if (!mtu || *mtu < smallest || *mtu > largest)
    throw bad("--opt mtu", value, "not a number from 68 to 65535").with_hint("for example --opt mtu=1400");
  return static_cast<std::uint32_t>(*mtu);
}

std::string parse_mode(const std::string& key, const std::string& value, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) == known.end())
    throw bad("--opt " + key, value, "no such mode").with_hint("known: " + join(known, ", "));
  return value;
}

void take_option(NetworkConfig& n, const std::string& key, const std::string& value) {
  bool bridge = n.driver == Driver::bridge;
  if (key == "mtu" || key == "com.docker.network.driver.mtu")
    n.mtu = parse_mtu(value);
  else if (bridge && key == "com.docker.network.bridge.enable_icc")
    n.isolated = !parse_flag(key, value);
  else if (bridge && key == "com.docker.network.bridge.enable_ip_masquerade")
    n.masquerade = parse_flag(key, value);
  else if (!bridge && key == "parent")
    n.parent = value;
  else if (n.driver == Driver::macvlan && (key == "mode" || key == "macvlan_mode"))
    n.mode = parse_mode(key, value, {"bridge", "private", "vepa", "passthru"});
  else if (n.driver == Driver::ipvlan && (key == "mode" || key == "ipvlan_mode"))
    n.mode = parse_mode(key, value, {"l2", "l3", "l3s"});
  else
    throw bad("--opt", key, fmt::format("the driver {} has no such option", network::driver_name(n.driver)))
        .with_hint(bridge ? "known: mtu, com.docker.network.bridge.enable_icc, ...enable_ip_masquerade"
                          : "known: parent, mode, mtu");
}

void check_parent(const NetworkConfig& n) {
  if (n.driver == Driver::bridge) return;
  if (n.parent.empty())
    throw error(ErrorCode::invalid_argument, "--driver {} needs an interface of the host",
                network::driver_name(n.driver))
        .with_id("E-OPTION-CONFLICT")
        .with_hint("add --opt parent=eth0; ip link lists them");
}

/// Ranges in which no network of containers can be.
bool is_special(const Subnet& s) {
  static const std::array<Subnet, 7> special = {*Subnet::parse("0.0.0.0/8"),   *Subnet::parse("127.0.0.0/8"),
                                                *Subnet::parse("224.0.0.0/3"), *Subnet::parse("::/128"),
                                                *Subnet::parse("::1/128"),     *Subnet::parse("ff00::/8"),
                                                *Subnet::parse("fe80::/10")};
  return std::any_of(special.begin(), special.end(), [&](const Subnet& r) { return r.overlaps(s); });
}

Subnet parse_subnet(const std::string& text) {
  auto s = Subnet::parse(text);
  if (!s) throw bad("--subnet", text, "not a subnet").with_hint("for example --subnet 10.5.0.0/24 or fd00:5::/64");
  if (s->network() != *s)
    throw bad("--subnet", text, "there are bits behind the prefix").with_hint("--subnet " + s->network().text());
  unsigned longest = s->address.v6 ? 126 : 30;
  if (s->prefix > longest)
    throw bad("--subnet", text, "too small for a gateway and a container")
        .with_hint(fmt::format("a prefix of at most {} bits", longest));
  if (is_special(*s))
    throw bad("--subnet", text, "these addresses have a meaning of their own")
        .with_hint("use private ones: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fd00::/8");
  return *s;
}

/// The one of the network's subnets that the address lies in.
NetworkSubnet& subnet_of(Network& n, std::string_view option, const std::string& text, const Address& address) {
  for (auto& s : n.subnets)
    if (Subnet::parse(s.subnet)->contains(address)) return s;
  throw bad(option, text, n.subnets.empty() ? "needs a --subnet that it lies in" : "lies in none of the subnets")
      .with_hint("for example --subnet 10.5.0.0/24 --gateway 10.5.0.1 --ip-range 10.5.0.128/25");
}

void take_gateway(Network& n, const std::string& text) {
  auto address = Address::parse(text);
  if (!address) throw bad("--gateway", text, "not an address").with_hint("for example --gateway 10.5.0.1");
  NetworkSubnet& s = subnet_of(n, "--gateway", text, *address);
  Subnet subnet = *Subnet::parse(s.subnet);
  if (subnet.offset_of(*address) == 0 || subnet.broadcast() == *address)
    throw bad("--gateway", text, "the first and the last address of a subnet are nobody's");
  if (!s.gateway.empty()) throw bad("--gateway", text, "the subnet has one already: " + s.gateway);
  s.gateway = address->text();
}

void take_range(Network& n, const std::string& text) {
  auto range = Subnet::parse(text);
  if (!range) throw bad("--ip-range", text, "not a subnet").with_hint("for example --ip-range 10.5.0.128/25");
  NetworkSubnet& s = subnet_of(n, "--ip-range", text, range->address);
  if (range->prefix < Subnet::parse(s.subnet)->prefix)
    throw bad("--ip-range", text, "larger than the subnet " + s.subnet).with_hint("give a part of it");
  if (!s.ip_range.empty()) throw bad("--ip-range", text, "the subnet has one already: " + s.ip_range);
  s.ip_range = range->network().text();
}

void plan_subnets(const NetworkRequest& request, Network& n) {
  bool v4 = false, v6 = false;
  for (const auto& text : request.subnets) {
    Subnet s = parse_subnet(text);
    bool& have = s.address.v6 ? v6 : v4;
    if (have) throw bad("--subnet", text, "one subnet of each family is enough").with_hint("make a second network");
    have = true;
    n.subnets.push_back({s.text(), "", "", false});
  }
  for (const auto& text : request.gateways) take_gateway(n, text);
  for (const auto& text : request.ip_ranges) take_range(n, text);
  for (auto& s : n.subnets)
    if (s.gateway.empty()) s.gateway = Subnet::parse(s.subnet)->nth(1)->text();
  if (!v4) n.subnets.insert(n.subnets.begin(), NetworkSubnet{"", "", "", true});
  if (!v6 && request.ipv6) n.subnets.push_back({"", "", "", true});
}

}  // namespace

bool is_built_in_network(std::string_view name) { return name == "bridge" || name == "host" || name == "none"; }

Network plan_network(const NetworkRequest& request) {
  check_name("network", request.name);
  if (is_built_in_network(request.name) || request.name == "default" || request.name == "container")
    throw error(ErrorCode::conflict, "network name {} has a meaning of its own", request.name)
        .with_id("E-NETWORK-BUILT-IN")
        .with_hint("choose another name");
  NetworkConfig config;
  config.driver = parse_driver(request.driver);
  for (const auto& [key, value] : request.options) take_option(config, key, value);
  check_parent(config);
  Network n;
  n.name = request.name;
  n.driver = request.driver;
  n.internal = request.internal;
  n.options = request.options;
  n.labels = request.labels;
  plan_subnets(request, n);
  constexpr std::uint32_t least_mtu_of_ipv6 = 1280;
  bool v6 = n.subnets.size() > 1;
  if (v6 && config.mtu != 0 && config.mtu < least_mtu_of_ipv6)
    throw bad("--opt mtu", std::to_string(config.mtu), "IPv6 needs at least 1280");
  return n;
}

NetworkConfig network_config(const Network& network) {
  NetworkConfig n;
  n.id = network.id;
  n.name = network.name;
  n.driver = parse_driver(network.driver);
  n.internal = network.internal;
  n.options = network.options;
  n.labels = network.labels;
  for (const auto& [key, value] : network.options) take_option(n, key, value);
  for (const auto& s : network.subnets) {
    auto subnet = Subnet::parse(s.subnet);
    if (!subnet) continue;
    n.subnets.push_back({subnet->network(), Address::parse(s.gateway), Subnet::parse(s.ip_range)});
  }
  return n;
}

SubnetPool default_pool(const std::string& tag) { return {pool_range, pool_prefix, std::stoull(tag, nullptr, 16)}; }

SubnetPool user_pool(const std::string& tag, const std::string& network_id, bool v6) {
  std::string digest = sha256_hex("subnet " + tag + " " + network_id);
  std::uint64_t start = std::stoull(digest.substr(0, 8), nullptr, 16);
  if (!v6) return {pool_range, pool_prefix, start};
  // RFC 4193: a prefix of 40 random bits, and networks in it.
  std::string range = fmt::format("fd{}:{}:{}::/48", digest.substr(8, 2), digest.substr(10, 4), digest.substr(14, 4));
  return {range, user_prefix6, start};
}

std::optional<Subnet> choose_subnet(const SubnetPool& pool, const std::vector<Subnet>& taken) {
  Subnet range = *Subnet::parse(pool.range);
  unsigned bits = range.address.v6 ? 128 : 32;
  std::uint64_t size = std::uint64_t{1} << (pool.prefix - range.prefix);
  for (std::uint64_t i = 0; i < size; ++i) {
    std::uint64_t place = (pool.start + i) % size;
    Subnet candidate{range.address, pool.prefix};
    if (bits - pool.prefix >= 64) {
      // nth() counts in 64 bits: the part of the prefix is put in by hand.
      candidate.address.bytes[6] = static_cast<unsigned char>(place >> 8U);
      candidate.address.bytes[7] = static_cast<unsigned char>(place);
    } else {
      candidate.address = *range.nth(place << (bits - pool.prefix));
    }
    bool free = std::none_of(taken.begin(), taken.end(), [&](const Subnet& t) { return t.overlaps(candidate); });
    if (free) return candidate;
  }
  return std::nullopt;
}

}  // namespace servin::engine
