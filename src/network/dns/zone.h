// SPDX-License-Identifier: Apache-2.0
// Who is who in one network: its names file, indexed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "network/dns/address.h"
#include "network/dns/names.h"

namespace servin::dns {

class Zone {
 public:
  Zone() = default;
  explicit Zone(Names names);

  const Names& names() const { return names_; }
  /// Containers of this name, alias, or id (12 digits: 64 are no label of DNS), also as "NAME.NETWORK"; `name` in lower
  /// case.
  std::vector<const Endpoint*> find(std::string_view name) const;
  const Endpoint* by_address(const Address& address) const;
  bool has_container(std::string_view id) const;
  bool is_gateway(const Address& address) const;

 private:
  void add_key(const std::string& key, std::uint32_t index);
  Names names_;
  std::string suffix_;  // ".network"
  std::unordered_map<std::string, std::vector<std::uint32_t>> keys_;
  std::map<Address, std::uint32_t> addresses_;
  std::vector<Address> gateways_;
};

}  // namespace servin::dns
