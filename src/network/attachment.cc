// SPDX-License-Identifier: Apache-2.0
// Attachment as bytes: a file of ours, read by the same version or a later one that knows `version`.
#include "base/record.h"
#include "network/network.h"

namespace servin::network {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint32_t list_limit = 1U << 17U;

void write(RecordWriter& w, const Address& a) { w.put(a.text()); }
void write(RecordWriter& w, const Subnet& s) { w.put(s.text()); }

template <typename T>
void write_optional(RecordWriter& w, const std::optional<T>& value) {
  w.put(value ? value->text() : std::string());
}

Error damaged() { return Error(ErrorCode::data_loss, "record of a container's networks is damaged"); }

template <typename T>
T parsed(const std::string& text) {
  auto value = T::parse(text);
  if (!value) throw damaged();
  return *value;
}

template <typename T>
std::optional<T> parsed_optional(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return parsed<T>(text);
}

std::uint32_t read_count(RecordReader& r) {
  auto n = r.get<std::uint32_t>();
  if (n > list_limit) throw damaged();
  return n;
}

void write(RecordWriter& w, const Endpoint& e) {
  w.put(e.network_id);
  w.put(static_cast<std::uint32_t>(e.addresses.size()));
  for (const auto& a : e.addresses) write(w, a);
  write_optional(w, e.mac);
  w.put(e.interface);
  w.put(e.aliases);
}

Endpoint read_endpoint(RecordReader& r) {
  Endpoint e;
  r.get(e.network_id);
  for (auto n = read_count(r); n > 0; --n) e.addresses.push_back(parsed<Address>(r.get<std::string>()));
  e.mac = parsed_optional<MacAddress>(r.get<std::string>());
  r.get(e.interface);
  r.get(e.aliases);
  return e;
}

void write(RecordWriter& w, const PortMapping& p) {
  write_optional(w, p.host_ip);
  w.put(p.host_port);
  w.put(p.container_port);
  w.put(p.protocol);
}

PortMapping read_port(RecordReader& r) {
  PortMapping p;
  p.host_ip = parsed_optional<Address>(r.get<std::string>());
  r.get(p.host_port);
  r.get(p.container_port);
  r.get(p.protocol);
  return p;
}

void write(RecordWriter& w, const SubnetConfig& s) {
  write(w, s.subnet);
  write_optional(w, s.gateway);
  write_optional(w, s.ip_range);
}

SubnetConfig read_subnet(RecordReader& r) {
  SubnetConfig s;
  s.subnet = parsed<Subnet>(r.get<std::string>());
  s.gateway = parsed_optional<Address>(r.get<std::string>());
  s.ip_range = parsed_optional<Subnet>(r.get<std::string>());
  return s;
}

// Options and labels are for people and stay out: nothing of the kernel's depends on them.
void write(RecordWriter& w, const NetworkConfig& n) {
  w.put(n.id), w.put(n.name), w.put(n.driver);
  w.put(static_cast<std::uint32_t>(n.subnets.size()));
  for (const auto& s : n.subnets) write(w, s);
  w.put(n.internal), w.put(n.default_bridge), w.put(n.mtu), w.put(n.isolated), w.put(n.masquerade);
  w.put(n.parent), w.put(n.mode), w.put(n.bridge_name);
}

NetworkConfig read_network(RecordReader& r) {
  NetworkConfig n;
  r.get(n.id), r.get(n.name), r.get(n.driver);
  for (auto count = read_count(r); count > 0; --count) n.subnets.push_back(read_subnet(r));
  r.get(n.internal), r.get(n.default_bridge), r.get(n.mtu), r.get(n.isolated), r.get(n.masquerade);
  r.get(n.parent), r.get(n.mode), r.get(n.bridge_name);
  return n;
}

}  // namespace

std::string Attachment::encode() const {
  RecordWriter w;
  w.put(version);
  w.put(plan.container_id);
  w.put(static_cast<std::uint32_t>(plan.endpoints.size()));
  for (const auto& e : plan.endpoints) write(w, e);
  w.put(static_cast<std::uint32_t>(plan.ports.size()));
  for (const auto& p : plan.ports) write(w, p);
  w.put(static_cast<std::uint32_t>(networks.size()));
  for (const auto& n : networks) write(w, n);
  return w.take();
}

Attachment Attachment::decode(std::string_view bytes) {
  RecordReader r(bytes);
  Attachment a;
  if (r.get<std::uint8_t>() != version) throw damaged();
  r.get(a.plan.container_id);
  for (auto n = read_count(r); n > 0; --n) a.plan.endpoints.push_back(read_endpoint(r));
  for (auto n = read_count(r); n > 0; --n) a.plan.ports.push_back(read_port(r));
  for (auto n = read_count(r); n > 0; --n) a.networks.push_back(read_network(r));
  return a;
}

}  // namespace servin::network
