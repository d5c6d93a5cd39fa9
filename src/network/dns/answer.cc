// SPDX-License-Identifier: Apache-2.0
#include "network/dns/answer.h"

#include <algorithm>

namespace servin::dns {
namespace {

Answer found() { return {Rcode::ok, true, {}}; }

void add_address(Answer& answer, std::uint16_t wanted, const Address& address) {
  std::uint16_t kind = address.v6 ? type::aaaa : type::a;
  if (wanted == kind || wanted == type::any) answer.records.push_back({kind, std::string(address.wire())});
}

Answer addresses(std::uint16_t wanted, const std::vector<Address>& list, unsigned turn) {
  Answer answer = found();
  for (const auto& address : list) add_address(answer, wanted, address);
  if (answer.records.size() > 1)
    std::rotate(answer.records.begin(), answer.records.begin() + turn % answer.records.size(), answer.records.end());
  return answer;
}

std::vector<Address> addresses_of(const std::vector<const Endpoint*>& endpoints) {
  std::vector<Address> list;
  for (const Endpoint* e : endpoints)
    for (const auto* text : {&e->ip4, &e->ip6})
      if (auto address = Address::parse(*text)) list.push_back(*address);
  return list;
}

std::optional<Answer> name_of(const Question& q, std::span<const Zone* const> zones) {
  auto text = reverse_address(q.name);
  if (!text) return std::nullopt;
  Address address = *Address::parse(*text);
  for (const Zone* zone : zones) {
    std::string name;
    if (const Endpoint* e = zone->by_address(address))
      name = zone->names().network.empty() ? e->name : e->name + "." + zone->names().network;
    else if (zone->is_gateway(address))
      name = "host.containers.internal";
    if (name.empty()) continue;
    Answer answer = found();
    bool asked = q.type == type::ptr || q.type == type::any;
    if (auto wire = encode_name(name); wire && asked) answer.records.push_back({type::ptr, *wire});
    return answer;
  }
  return std::nullopt;
}

/// The machine itself, for programs that ask the name server and not /etc/hosts.
std::optional<Answer> host_answer(const Question& q, const Zone& zone) {
  if (q.name != "host.containers.internal" && q.name != "host.docker.internal") return std::nullopt;
  std::vector<Address> list;
  for (const auto& text : zone.names().gateways)
    if (auto address = Address::parse(text)) list.push_back(*address);
  return addresses(q.type, list, 0);
}

}  // namespace

std::optional<Rcode> refuse(const Message& query) {
  if (query.opcode != 0) return Rcode::not_implemented;
  if (query.question_count != 1) return Rcode::format_error;
  if (query.question.class_ != class_in) return Rcode::refused;
  if (query.edns && query.edns->version != 0) return Rcode::format_error;
  return std::nullopt;
}

std::optional<Answer> answer_locally(const Question& question, std::span<const Zone* const> zones, unsigned turn) {
  for (const Zone* zone : zones)
    if (auto endpoints = zone->find(question.name); !endpoints.empty())
      return addresses(question.type, addresses_of(endpoints), turn);
  if (auto name = name_of(question, zones)) return name;
  if (!zones.empty()) return host_answer(question, *zones.front());
  return std::nullopt;
}

}  // namespace servin::dns
