// SPDX-License-Identifier: Apache-2.0
#include "network/network.h"

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace servin::network {
namespace {

unsigned bits(const Address& a) { return a.v6 ? 128 : 32; }
unsigned length(const Address& a) { return a.v6 ? 16 : 4; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::optional<Subnet> Subnet::parse(std::string_view text) {
  auto parts = split_once(text, '/');
  if (!parts) return std::nullopt;
  auto address = Address::parse(parts->first);
  auto prefix = parse_u64(parts->second);
  if (!address || !prefix || *prefix > bits(*address)) return std::nullopt;
  return Subnet{*address, static_cast<unsigned>(*prefix)};
}

std::string Subnet::text() const { return fmt::format("{}/{}", address.text(), prefix); }

Subnet Subnet::network() const {
  Subnet s = *this;
  for (unsigned i = 0; i < length(address); ++i) {
    unsigned kept = prefix > i * 8 ? std::min(prefix - i * 8, 8U) : 0;
    s.address.bytes[i] = static_cast<unsigned char>(s.address.bytes[i] & (0xff00U >> kept));
  }
  return s;
}

bool Subnet::contains(const Address& a) const {
  return a.v6 == address.v6 && Subnet{a, prefix}.network().address == network().address;
}

bool Subnet::overlaps(const Subnet& other) const {
  return prefix <= other.prefix ? contains(other.address) : other.contains(address);
}

std::optional<Address> Subnet::nth(std::uint64_t n) const {
  unsigned host_bits = bits(address) - prefix;
  if (host_bits < 64 && n >> host_bits != 0) return std::nullopt;
  Address a = network().address;
  for (unsigned i = length(address); i-- > 0 && n != 0; n >>= 8U)
    a.bytes[i] = static_cast<unsigned char>(a.bytes[i] | (n & 0xffU));
  return a;
}

std::uint64_t Subnet::offset_of(const Address& a) const {
  Address base = network().address;
  std::uint64_t n = 0;
  for (unsigned i = 0; i < length(address); ++i) n = n << 8U | static_cast<std::uint64_t>(a.bytes[i] ^ base.bytes[i]);
  return n;
}

Address Subnet::last() const {
  Address a = network().address;
  for (unsigned i = 0; i < length(address); ++i) {
    unsigned kept = prefix > i * 8 ? std::min(prefix - i * 8, 8U) : 0;
    a.bytes[i] = static_cast<unsigned char>(a.bytes[i] | (0xffU >> kept));
  }
  return a;
}

std::optional<Address> Subnet::broadcast() const {
  if (address.v6 || prefix >= 31) return std::nullopt;
  return last();
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  MacAddress mac;
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < 6; ++i) {
    int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    if (i < 5 && text[i * 3 + 2] != ':' && text[i * 3 + 2] != '-') return std::nullopt;
    mac.bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  bool group = (mac.bytes[0] & 1U) != 0;
  if (group || mac == MacAddress{}) return std::nullopt;
  return mac;
}

std::string MacAddress::text() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                     bytes[5]);
}

MacAddress derived_mac(std::string_view container_id, std::string_view network_id) {
  std::string hex = sha256_hex(fmt::format("mac {} {}", container_id, network_id));
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i)
    mac.bytes[i] = static_cast<unsigned char>(hex_digit(hex[i * 2]) * 16 + hex_digit(hex[i * 2 + 1]));
  mac.bytes[0] = static_cast<unsigned char>((mac.bytes[0] & 0xfcU) | 2U);
  return mac;
}

std::string_view driver_name(Driver driver) {
  switch (driver) {
    case Driver::bridge:
      return "bridge";
    case Driver::macvlan:
      return "macvlan";
    case Driver::ipvlan:
      break;
  }
  return "ipvlan";
}

std::optional<Driver> parse_driver(std::string_view name) {
  for (Driver d : {Driver::bridge, Driver::macvlan, Driver::ipvlan})
    if (driver_name(d) == name) return d;
  return std::nullopt;
}

const SubnetConfig* NetworkConfig::subnet(bool v6) const {
  for (const auto& s : subnets)
    if (s.subnet.address.v6 == v6) return &s;
  return nullptr;
}

std::optional<Address> Endpoint::address(bool v6) const {
  for (const auto& a : addresses)
    if (a.v6 == v6) return a;
  return std::nullopt;
}

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::sctp:
      break;
  }
  return "sctp";
}

std::optional<Protocol> parse_protocol(std::string_view name) {
  for (Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp})
    if (protocol_name(p) == name) return p;
  return std::nullopt;
}

std::string PortMapping::text() const {
  std::string host = host_ip ? (host_ip->v6 ? "[" + host_ip->text() + "]:" : host_ip->text() + ":") : "";
  return fmt::format("{}{}->{}/{}", host, host_port, container_port, protocol_name(protocol));
}

}  // namespace servin::network
