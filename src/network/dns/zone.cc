// SPDX-License-Identifier: Apache-2.0
#include "network/dns/zone.h"

#include <algorithm>

#include "base/id.h"
#include "base/strings.h"

namespace servin::dns {

Zone::Zone(Names names) : names_(std::move(names)) {
  if (!names_.network.empty()) suffix_ = "." + lower(names_.network);
  for (const auto& text : names_.gateways)
    if (auto address = Address::parse(text)) gateways_.push_back(*address);
  for (std::uint32_t i = 0; i < names_.endpoints.size(); ++i) {
    const Endpoint& e = names_.endpoints[i];
    add_key(e.name, i);
    add_key(e.id, i);
    add_key(std::string(short_id(e.id)), i);
    for (const auto& alias : e.aliases) add_key(alias, i);
    for (const auto* text : {&e.ip4, &e.ip6})
      if (auto address = Address::parse(*text)) addresses_.emplace(*address, i);
  }
}

void Zone::add_key(const std::string& key, std::uint32_t index) {
  auto& list = keys_[lower(key)];
  if (std::find(list.begin(), list.end(), index) == list.end()) list.push_back(index);
}

std::vector<const Endpoint*> Zone::find(std::string_view name) const {
  auto found = keys_.find(std::string(name));
  if (found == keys_.end() && !suffix_.empty() && name.ends_with(suffix_))
    found = keys_.find(std::string(name.substr(0, name.size() - suffix_.size())));
  std::vector<const Endpoint*> out;
  if (found == keys_.end()) return out;
  for (auto index : found->second) out.push_back(&names_.endpoints[index]);
  return out;
}

const Endpoint* Zone::by_address(const Address& address) const {
  auto found = addresses_.find(address);
  return found == addresses_.end() ? nullptr : &names_.endpoints[found->second];
}

bool Zone::has_container(std::string_view id) const {
  for (auto index : keys_.contains(std::string(id)) ? keys_.at(std::string(id)) : std::vector<std::uint32_t>{})
    if (names_.endpoints[index].id == id) return true;
  return false;
}

bool Zone::is_gateway(const Address& address) const {
  return std::find(gateways_.begin(), gateways_.end(), address) != gateways_.end();
}

}  // namespace servin::dns
