// SPDX-License-Identifier: Apache-2.0
// IPv4 and IPv6 addresses as values: text, wire form and socket form.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace servin::dns {

struct Address {
  bool v6 = false;
  std::array<unsigned char, 16> bytes{};  // IPv4: the first four, in network order
  auto operator<=>(const Address&) const = default;

  /// Nothing when the text is no address. An IPv4 address in IPv6 clothes (::ffff:1.2.3.4) becomes IPv4.
  static std::optional<Address> parse(std::string_view text);
  std::string text() const;
  /// 4 or 16 bytes.
  std::string_view wire() const;
  bool is_loopback() const;
  bool is_any() const;
};

struct SocketAddress {
  Address address;
  std::uint16_t port = 53;
  std::uint32_t scope = 0;  // interface of a link-local IPv6 address
  auto operator<=>(const SocketAddress&) const = default;

  /// "1.2.3.4", "fe80::1%eth0": as in resolv.conf. Nothing when it is no address, or of an interface that is not there.
  static std::optional<SocketAddress> parse(std::string_view text, std::uint16_t port);
  static SocketAddress from(const sockaddr_storage& raw);
  /// For bind, connect and sendto.
  socklen_t fill(sockaddr_storage& raw) const;
};

}  // namespace servin::dns
