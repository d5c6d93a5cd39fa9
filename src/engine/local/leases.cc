// SPDX-License-Identifier: Apache-2.0
#include "engine/local/leases.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"

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

std::optional<Address> of_family(const std::vector<Address>& list, bool v6) {
  for (const auto& a : list)
    if (a.v6 == v6) return a;
  return std::nullopt;
}

std::string_view option_of(const Address& a) { return a.v6 ? "--ip6" : "--ip"; }

}  // namespace

std::string Member::encode() const {
  std::string text;
  for (const auto& a : addresses) text += a.text() + "\n";
  if (mac) text += "mac " + mac->text() + "\n";
  for (const auto& alias : aliases) text += "alias " + alias + "\n";
  return text;
}

Member Member::decode(std::string_view text) {
  Member m;
  for (const auto& line : split(text, '\n')) {
    if (auto a = Address::parse(line)) m.addresses.push_back(*a);
    auto pair = split_once(line, ' ');
    if (pair && pair->first == "mac") m.mac = network::MacAddress::parse(pair->second);
    if (pair && pair->first == "alias") m.aliases.push_back(pair->second);
  }
  return m;
}

std::optional<Member> Leases::member(const std::string& container) const {
  auto text = read_file(list(container));
  if (!text) return std::nullopt;
  return Member::decode(*text);
}

std::vector<std::string> Leases::members() const {
  auto ids = list_dir(dir_ + "/containers");
  std::erase_if(ids, [&](const std::string& id) { return !is_full_id(id) || !name_of_(id); });
  return ids;
}

bool Leases::add(const Address& address, const std::string& container) {
  std::string temp = fmt::format("{}/.{}", dir_, hex(random_bytes(8)));
  write_file(temp, container);
  int made = ::link(temp.c_str(), file(address).c_str());
  int err = errno;
  ::unlink(temp.c_str());
  if (made != 0 && err != EEXIST) throw errno_error(err, "lease " + address.text());
  return made == 0;
}

FileLock Leases::lock() const {
  return FileLock::acquire(
      dir_ + "/lock",
      fmt::format("the list of addresses of network {}", short_id(std::string_view(dir_).substr(dir_.rfind('/') + 1))),
      lock_patience);
}

std::string Leases::claim(const Address& address, const std::string& container) {
  if (add(address, container)) return "";
  // Who takes over or gives up is alone: two who find the same address left behind must not both have it.
  FileLock held = lock();
  auto holder = read_file(file(address));
  if (!holder) return add(address, container) ? "" : "another command";
  if (trim(*holder) == container) return "";
  if (auto name = name_of_(std::string(trim(*holder)))) return "container " + *name;
  write_file(file(address), container);
  return "";
}

Address Leases::take_one(const NetworkConfig& network, const SubnetConfig& s, const std::string& container) {
  Subnet from = s.ip_range.value_or(s.subnet);
  std::set<std::string> taken;
  for (auto& name : list_dir(dir_ + "/addresses")) taken.insert(std::move(name));
  // Whose the taken ones are is looked at only when there is no other: with many containers that is a long list.
  for (bool free_ones : {true, false})
    for (std::uint64_t n = 0; auto a = from.nth(n); ++n) {
      bool is_free = taken.count(a->text()) == 0;
      if (is_free == free_ones && may_be_leased(s, *a) && claim(*a, container).empty()) return *a;
    }
  throw error(ErrorCode::resource_exhausted, "network {} has no free address in {}", network.name, from.text())
      .with_id("E-SUBNET-FULL")
      .with_hint("remove containers that you do not need, or make a network with a larger --subnet");
}

std::vector<Address> Leases::take(const NetworkConfig& network, const std::string& container) {
  make_dirs(dir_ + "/addresses");
  make_dirs(dir_ + "/containers");
  Member member = this->member(container).value_or(Member{});
  auto held = member.addresses;
  member.addresses.clear();
  for (const auto& s : network.subnets) {
    auto sticky = of_family(held, s.subnet.address.v6);
    // The network may have moved to another subnet.
    bool keeps = sticky && may_be_leased(s, *sticky) && claim(*sticky, container).empty();
    member.addresses.push_back(keeps ? *sticky : take_one(network, s, container));
  }
  if (member.addresses == held) return held;
  write_file(list(container), member.encode());
  for (const auto& a : held)
    if (std::find(member.addresses.begin(), member.addresses.end(), a) == member.addresses.end()) give_up(a, container);
  return member.addresses;
}

void Leases::claim_wanted(const NetworkConfig& network, const Address& a, const std::string& container) {
  const SubnetConfig* s = network.subnet(a.v6);
  if (s == nullptr || !s->subnet.contains(a))
    throw error(ErrorCode::invalid_argument, "{} {}: network {} has {}", option_of(a), a.text(), network.name,
                s == nullptr ? "no such addresses" : s->subnet.text())
        .with_id("E-OPTION-VALUE")
        .with_hint("servin network inspect " + network.name);
  if (s->gateway == a)
    throw error(ErrorCode::conflict, "{} {}: it is the gateway of network {}", option_of(a), a.text(), network.name)
        .with_id("E-ADDRESS-TAKEN")
        .with_hint("choose another address, or leave it out");
  if (!may_be_leased(*s, a))
    throw error(ErrorCode::invalid_argument, "{} {}: the first and the last address of {} are nobody's", option_of(a),
                a.text(), s->subnet.text())
        .with_id("E-OPTION-VALUE");
  std::string holder = claim(a, container);
  if (!holder.empty())
    throw error(ErrorCode::conflict, "{} {}: {} has it in network {}", option_of(a), a.text(), holder, network.name)
        .with_id("E-ADDRESS-TAKEN")
        .with_hint("choose another address, or remove that container: it keeps its address until then");
}

void Leases::enter(const NetworkConfig& network, const std::string& container, const Member& wanted) {
  make_dirs(dir_ + "/addresses");
  make_dirs(dir_ + "/containers");
  // The list first: whatever is claimed from here on is found again by release().
  write_file(list(container), wanted.encode());
  try {
    for (const auto& a : wanted.addresses) claim_wanted(network, a, container);
    take(network, container);
  } catch (const Error&) {
    release(container);
    throw;
  }
}

void Leases::give_up(const Address& address, const std::string& container) {
  FileLock held = lock();
  if (trim(read_file(file(address)).value_or("")) == container) ::unlink(file(address).c_str());
}

void Leases::release(const std::string& container) {
  for (const auto& a : member(container).value_or(Member{}).addresses) give_up(a, container);
  ::unlink(list(container).c_str());
}

}  // namespace servin::engine
