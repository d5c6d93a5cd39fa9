// SPDX-License-Identifier: Apache-2.0
#include "network/dns/address.h"

#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "os/file.h"

namespace servin::dns {
namespace {

bool is_mapped(const unsigned char* bytes) {
  static constexpr unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(bytes, prefix, sizeof prefix) == 0;
}

Address from_v6(const unsigned char* bytes) {
  Address a;
  if (is_mapped(bytes)) {
    std::memcpy(a.bytes.data(), bytes + 12, 4);
    return a;
  }
  a.v6 = true;
  std::memcpy(a.bytes.data(), bytes, 16);
  return a;
}

/// By the file and not by if_nametoindex: that needs an ioctl, which the resolver's sandbox does not allow.
std::optional<std::uint32_t> interface_index(std::string_view name) {
  if (name.empty() || name.find('/') != std::string_view::npos) return std::nullopt;
  auto text = read_file("/sys/class/net/" + std::string(name) + "/ifindex", 64);
  if (!text) return std::nullopt;
  auto number = parse_u64(trim(*text));
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  std::string copy(text);
  Address a;
  if (::inet_pton(AF_INET, copy.c_str(), a.bytes.data()) == 1) return a;
  unsigned char bytes[16];
  if (::inet_pton(AF_INET6, copy.c_str(), bytes) != 1) return std::nullopt;
  return from_v6(bytes);
}

std::string Address::text() const {
  char buffer[INET6_ADDRSTRLEN];
  return ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
}

std::string_view Address::wire() const {
  return {reinterpret_cast<const char*>(bytes.data()), v6 ? std::size_t{16} : std::size_t{4}};
}

bool Address::is_loopback() const {
  if (!v6) return bytes[0] == 127;
  static constexpr std::array<unsigned char, 16> one = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes == one;
}

bool Address::is_any() const { return bytes == std::array<unsigned char, 16>{}; }

std::optional<SocketAddress> SocketAddress::parse(std::string_view text, std::uint16_t port) {
  auto percent = text.find('%');
  auto address = Address::parse(text.substr(0, percent));
  if (!address) return std::nullopt;
  SocketAddress out{*address, port, 0};
  if (percent == std::string_view::npos) return out;
  auto scope = interface_index(text.substr(percent + 1));
  if (!scope) return std::nullopt;
  out.scope = *scope;
  return out;
}

SocketAddress SocketAddress::from(const sockaddr_storage& raw) {
  SocketAddress out;
  if (raw.ss_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &raw, sizeof in6);
    out.address = from_v6(in6.sin6_addr.s6_addr);
    out.port = ntohs(in6.sin6_port);
    out.scope = in6.sin6_scope_id;
  } else {
    sockaddr_in in{};
    std::memcpy(&in, &raw, sizeof in);
    std::memcpy(out.address.bytes.data(), &in.sin_addr, 4);
    out.port = ntohs(in.sin_port);
  }
  return out;
}

socklen_t SocketAddress::fill(sockaddr_storage& raw) const {
  raw = {};
  if (address.v6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    in6.sin6_scope_id = scope;
    std::memcpy(in6.sin6_addr.s6_addr, address.bytes.data(), 16);
    std::memcpy(&raw, &in6, sizeof in6);
    return sizeof in6;
  }
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  std::memcpy(&in.sin_addr, address.bytes.data(), 4);
  std::memcpy(&raw, &in, sizeof in);
  return sizeof in;
}

}  // namespace servin::dns
