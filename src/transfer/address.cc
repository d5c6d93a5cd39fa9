// SPDX-License-Identifier: Apache-2.0
#include "transfer/address.h"

#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/strings.h"

namespace servin::transfer {

namespace {

Reach reach_of_v4(std::uint32_t a) {  // host byte order
  auto in = [a](std::uint32_t net, int bits) { return (a ^ net) >> (32 - bits) == 0; };
  if (in(0x7F000000, 8) || in(0, 8)) return Reach::this_machine;
  if (in(0xA9FE0000, 16) || in(0xE0000000, 4) || in(0xF0000000, 4)) return Reach::link;
  if (in(0x0A000000, 8) || in(0xAC100000, 12) || in(0xC0A80000, 16) || in(0x64400000, 10)) return Reach::private_net;
  return Reach::everywhere;
}

std::uint32_t last_four(const unsigned char* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes + 12, sizeof value);
  return ntohl(value);
}

Reach reach_of_v6(const in6_addr& address) {
  const unsigned char* b = address.s6_addr;
  constexpr unsigned char zeros[16] = {};
  constexpr unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
  constexpr unsigned char metadata[16] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54};
  if (std::memcmp(b, zeros, 15) == 0 && b[15] <= 1) return Reach::this_machine;
  // IPv4 in IPv6 clothes.
  if (IN6_IS_ADDR_V4MAPPED(&address) || std::memcmp(b, nat64, 12) == 0 || IN6_IS_ADDR_V4COMPAT(&address))
    return reach_of_v4(last_four(b));
  if (std::memcmp(b, metadata, 16) == 0) return Reach::link;
  if (IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_MULTICAST(&address)) return Reach::link;
  if ((b[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(&address)) return Reach::private_net;
  return Reach::everywhere;
}

}  // namespace

const char* to_string(Reach reach) {
  switch (reach) {
    case Reach::everywhere:
      return "a public address";
    case Reach::private_net:
      return "a private network";
    case Reach::this_machine:
      return "this machine";
    case Reach::link:
      return "a link-local address";
  }
  return "";
}

Reach reach_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return reach_of_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    return reach_of_v6(v6.sin6_addr);
  }
  return Reach::link;
}

std::optional<Reach> reach_of_host(std::string host) {
  host = lower(host);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  host = host.substr(0, host.find('%'));
  if (host == "localhost" || host.ends_with(".localhost")) return Reach::this_machine;
  in_addr v4{};
  // inet_aton takes "127.1" and "0x7f000001" too, as resolvers do.
  if (::inet_aton(host.c_str(), &v4) != 0) return reach_of_v4(ntohl(v4.s_addr));
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) return reach_of_v6(v6);
  return std::nullopt;
}

bool may_lead(Reach registry, Reach target) {
  if (target == Reach::everywhere || target == registry) return true;
  return target == Reach::private_net && registry == Reach::this_machine;
}

namespace {

/// "10.0.0.0/8" or "fd00::/8" and an address in it.
bool in_network(const std::string& host, std::string_view network) {
  auto parts = split_once(network, '/');
  auto bits = parts ? parse_u64(parts->second) : std::nullopt;
  if (!bits) return false;
  int family = parts->first.find(':') == std::string::npos ? AF_INET : AF_INET6;
  unsigned char a[16] = {}, b[16] = {};
  if (::inet_pton(family, host.c_str(), a) != 1 || ::inet_pton(family, parts->first.c_str(), b) != 1) return false;
  if (*bits > (family == AF_INET ? 32U : 128U)) return false;
  std::size_t whole = *bits / 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  unsigned rest = static_cast<unsigned>(*bits % 8);
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

bool is_exempt(const std::string& host_in, const std::string& port, const std::string& no_proxy) {
  std::string host = lower(host_in);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  for (const std::string& word : split(no_proxy, ',')) {
    std::string entry = lower(trim(word));
    if (entry == "*") return true;
    if (in_network(host, entry)) return true;
    if (auto with_port = split_once(entry, ':'); with_port && with_port->second.find(':') == std::string::npos) {
      if (with_port->second != port) continue;
      entry = with_port->first;
    }
    while (entry.starts_with('.')) entry.erase(0, 1);
    if (!entry.empty() && (host == entry || host.ends_with("." + entry))) return true;
  }
  return false;
}

bool same_site(const std::string& a_in, const std::string& b_in) {
  std::string a = lower(a_in), b = lower(b_in);
  if (a == b) return true;
  if (reach_of_host(a) || reach_of_host(b)) return false;  // addresses have no domain
  if (a.ends_with("." + b) || b.ends_with("." + a)) return true;
  std::vector<std::string> x = split(a, '.'), y = split(b, '.');
  std::size_t common = 0;
  while (common < x.size() && common < y.size() && x[x.size() - 1 - common] == y[y.size() - 1 - common]) ++common;
  if (common < 2) return false;
  // Under "co.uk" and the like everybody has names.
  bool shared = x.back().size() == 2 && x[x.size() - 2].size() <= 3;
  return common >= (shared ? 3U : 2U);
}

}  // namespace servin::transfer
