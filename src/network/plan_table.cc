// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include <arpa/inet.h>
#include <net/if.h>

#include "base/error.h"
#include "network/plan.h"

namespace servin::network {
namespace {

std::string interface_key(const std::string& name) {
  std::string key = name;
  key.resize(IFNAMSIZ, '\0');
  return key;
}

std::string padded(std::string_view bytes) {
  std::string out(bytes);
  out.resize((out.size() + 3) / 4 * 4, '\0');
  return out;
}

std::string port_bytes(std::uint16_t port) { return {static_cast<char>(port >> 8U), static_cast<char>(port & 0xffU)}; }

std::string protocol_and_port(Protocol protocol, std::uint16_t port) {
  return padded(std::string(1, static_cast<char>(protocol))) + padded(port_bytes(port));
}

std::string address_and_port(const Address& address, std::uint16_t port) {
  return std::string(address.wire()) + padded(port_bytes(port));
}

std::string_view interface_text(std::string_view key) { return key.substr(0, key.find('\0')); }

unsigned port_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned>(static_cast<unsigned char>(bytes[at])) << 8U | static_cast<unsigned char>(bytes[at + 1]);
}

std::string address_text(std::string_view bytes) {
  Address a;
  a.v6 = bytes.size() == 16;
  std::copy(bytes.begin(), bytes.end(), a.bytes.begin());
  return a.text();
}

std::string endpoint_text(std::string_view bytes) {
  std::size_t at = bytes.size() - 4;
  return fmt::format("{} {}", address_text(bytes.substr(0, at)), port_at(bytes, at));
}

}  // namespace

std::string_view set_name(TableSet set) {
  switch (set) {
    case TableSet::bridges:
      return "bridges";
    case TableSet::internal:
      return "internal";
    case TableSet::masked:
      return "masked";
    case TableSet::same:
      return "same";
    case TableSet::own4:
      return "own4";
    case TableSet::own6:
      return "own6";
    case TableSet::at4:
      return "at4";
    case TableSet::any4:
      return "any4";
    case TableSet::at6:
      return "at6";
    case TableSet::any6:
      break;
  }
  return "any6";
}

std::string TableElement::text() const {
  std::string text(set_name(set));
  std::string_view k = key;
  if (set == TableSet::same)
    return fmt::format("{} {} {}", text, interface_text(k.substr(0, IFNAMSIZ)), interface_text(k.substr(IFNAMSIZ)));
  if (!last.empty())
    return fmt::format("{} {} {}-{}", text, interface_text(k.substr(0, IFNAMSIZ)), address_text(k.substr(IFNAMSIZ)),
                       address_text(std::string_view(last).substr(IFNAMSIZ)));
  if (set <= TableSet::masked) return fmt::format("{} {}", text, interface_text(k));
  std::size_t at = k.size() - 8;
  if (at > 0) text += " " + address_text(k.substr(0, at));
  auto protocol = static_cast<Protocol>(k[at]);
  return fmt::format("{} {} {} : {}", text, protocol_name(protocol), port_at(k, at + 4), endpoint_text(value));
}

std::vector<TableElement> bridge_elements(const LinkNames& names, const NetworkConfig& network, unsigned shard) {
  std::string key = interface_key(names.bridge(network, shard));
  std::vector<TableElement> elements = {{TableSet::bridges, key, ""}};
  if (network.internal) elements.push_back({TableSet::internal, key, ""});
  if (network.masquerade && !network.internal) elements.push_back({TableSet::masked, key, ""});
  // Nothing is routed at a further bridge, and its ports keep containers apart: what br_netfilter shows there comes
  // from the gateway or goes to it.
  if (!network.isolated || shard > 0) elements.push_back({TableSet::same, key + key, ""});
  for (const auto& s : network.subnets)
    elements.push_back({s.subnet.address.v6 ? TableSet::own6 : TableSet::own4,
                        key + std::string(s.subnet.network().address.wire()), "",
                        key + std::string(s.subnet.last().wire())});
  return elements;
}

std::vector<TableElement> port_elements(const std::vector<PortMapping>& ports, const Endpoint& leader) {
  std::vector<TableElement> elements;
  for (const auto& port : ports)
    for (bool v6 : {false, true}) {
      auto target = leader.address(v6);
      if (!target || (port.host_ip && port.host_ip->v6 != v6)) continue;
      std::string key = protocol_and_port(port.protocol, port.host_port);
      std::string value = address_and_port(*target, port.container_port);
      bool any = !port.host_ip || port.host_ip->is_any();
      if (any)
        elements.push_back({v6 ? TableSet::any6 : TableSet::any4, key, value});
      else
        elements.push_back({v6 ? TableSet::at6 : TableSet::at4, std::string(port.host_ip->wire()) + key, value});
    }
  return elements;
}

std::vector<TableElement> container_elements(const LinkNames& names, const Attachment& attachment) {
  std::vector<TableElement> elements;
  auto add = [&](const std::vector<TableElement>& more) { elements.insert(elements.end(), more.begin(), more.end()); };
  for (const auto& endpoint : attachment.plan.endpoints) {
    const NetworkConfig* network = find_network(attachment.networks, endpoint.network_id);
    if (network != nullptr && network->driver == Driver::bridge)
      add(bridge_elements(names, *network, shard_of(*network, endpoint)));
  }
  const Endpoint* leader = leading_endpoint(attachment.plan, attachment.networks);
  if (leader != nullptr && find_network(attachment.networks, leader->network_id)->driver == Driver::bridge)
    add(port_elements(attachment.plan.ports, *leader));
  return elements;
}

std::vector<TableElement> plan_elements(const LinkNames& names, const Inventory& inventory) {
  // A key that stood there twice would fail the whole transaction: of two containers with one port the later has it.
  std::map<std::pair<TableSet, std::string>, TableElement> all;
  auto add = [&](const std::vector<TableElement>& elements) {
    for (const auto& e : elements) all[{e.set, e.key}] = e;
  };
  for (const auto& network : inventory.networks)
    if (network.driver == Driver::bridge) add(bridge_elements(names, network, 0));
  for (const auto& container : inventory.containers) add(container_elements(names, container));
  std::vector<TableElement> elements;
  for (auto& [where, element] : all) elements.push_back(std::move(element));
  return elements;
}

}  // namespace servin::network
