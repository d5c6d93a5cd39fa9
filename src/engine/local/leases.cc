// SPDX-License-Identifier: Apache-2.0
#include "engine/local/leases.h"

#include <cerrno>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::engine {

using network::Address;
using network::NetworkConfig;
using network::Subnet;
using network::SubnetConfig;

namespace {

bool may_be_leased(const SubnetConfig& s, const Address& a) {
  bool own = s.subnet.contains(a) && s.subnet.offset_of(a) != 0 && s.subnet.broadcast() != a;
  return own && s.gateway != a;
}

}  // namespace

std::vector<Address> Leases::of(const std::string& container) const {
  std::vector<Address> addresses;
  for (const auto& line : split(read_file(list(container)).value_or(""), '\n'))
    if (auto a = Address::parse(line)) addresses.push_back(*a);
  return addresses;
}

bool Leases::empty() const { return list_dir(dir_ + "/addresses").empty(); }

bool Leases::claim(const Address& address, const std::string& container) {
  std::string temp = fmt::format("{}/.{}", dir_, hex(random_bytes(8)));
  write_file(temp, container);
  int made = ::link(temp.c_str(), file(address).c_str());
  int err = errno;
  ::unlink(temp.c_str());
  if (made == 0) return true;
  if (err != EEXIST) throw errno_error(err, "lease " + address.text());
  std::string holder(trim(read_file(file(address)).value_or("")));
  if (holder == container) return true;
  if (holder.empty() || is_known_(holder)) return false;
  // Left by a container that was removed in the middle. Two who see that at once: the loser sees the winner's file.
  ::unlink(file(address).c_str());
  return claim(address, container);
}

Address Leases::take_one(const NetworkConfig& network, const SubnetConfig& s, const std::string& container) {
  Subnet from = s.ip_range.value_or(s.subnet);
  std::set<std::string> taken;
  for (auto& name : list_dir(dir_ + "/addresses")) taken.insert(std::move(name));
  for (std::uint64_t n = 0; auto a = from.nth(n); ++n) {
    if (!may_be_leased(s, *a)) continue;
    if (taken.count(a->text()) > 0 && is_known_(std::string(trim(read_file(file(*a)).value_or(""))))) continue;
    if (claim(*a, container)) return *a;
  }
  throw error(ErrorCode::resource_exhausted, "network {} has no free address in {}", network.name, from.text())
      .with_id("E-SUBNET-FULL")
      .with_hint("remove containers that you do not need, or make a network with a larger --subnet");
}

std::vector<Address> Leases::take(const NetworkConfig& network, const std::string& container) {
  make_dirs(dir_ + "/addresses");
  make_dirs(dir_ + "/containers");
  auto find = [](const std::vector<Address>& list, bool v6) -> std::optional<Address> {
    for (const auto& a : list)
      if (a.v6 == v6) return a;
    return std::nullopt;
  };
  auto held = of(container);
  std::vector<Address> addresses;
  std::string text;
  for (const auto& s : network.subnets) {
    bool v6 = s.subnet.address.v6;
    auto sticky = find(held, v6);
    // The network may have been made again with another subnet.
    if (sticky && (!may_be_leased(s, *sticky) || !claim(*sticky, container))) sticky.reset();
    addresses.push_back(sticky ? *sticky : take_one(network, s, container));
    text += addresses.back().text() + "\n";
  }
  if (addresses != held) write_file(list(container), text);
  return addresses;
}

void Leases::release(const std::string& container) {
  for (const auto& a : of(container)) {
    if (trim(read_file(file(a)).value_or("")) == container) ::unlink(file(a).c_str());
  }
  ::unlink(list(container).c_str());
}

}  // namespace servin::engine
