// SPDX-License-Identifier: Apache-2.0
#include "network/linux/ports.h"

#include <cerrno>
#include <optional>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/strings.h"
#include "network/dns/holder.h"

namespace servin::network {
namespace {

std::string place(const PortSocket& s) {
  std::string address = s.address.v6 ? "[" + s.address.text() + "]" : s.address.text();
  return fmt::format("{}:{}/{}", address, s.port, protocol_name(s.protocol));
}

Error port_busy(const PortSocket& s) {
  auto holder = dns::find_port_holder(s.port);
  std::string who = "somebody on this host";
  if (holder) who = fmt::format("{} (pid {})", printable(holder->name), holder->pid);
  if (holder && !holder->container.empty()) who = fmt::format("container {} (pid {})", holder->container, holder->pid);
  return error(ErrorCode::conflict, "port {} is taken by {}", place(s), who)
      .with_errno(EADDRINUSE)
      .with_id("E-PORT-BUSY")
      .with_hint("stop that one, or publish another port: -p OTHER:PORT; -p PORT alone takes a free one");
}

Error socket_error(int err, const PortSocket& s) {
  if (err == EADDRINUSE) return port_busy(s);
  if (err == EADDRNOTAVAIL)
    return error(ErrorCode::failed_precondition, "publish {}: this host does not have the address", place(s))
        .with_errno(err)
        .with_id("E-HOST-ADDRESS")
        .with_hint("ip address shows what it has; without an address the port is published at all of them");
  if (err == EPROTONOSUPPORT)
    return error(ErrorCode::unsupported, "publish {}: this kernel has no {}", place(s), protocol_name(s.protocol))
        .with_errno(err)
        .with_id("E-PROTOCOL")
        .with_hint("modprobe sctp, or a kernel that has it");
  return errno_error(err, "publish " + place(s));
}

int type_of(Protocol p) { return p == Protocol::udp ? SOCK_DGRAM : SOCK_STREAM; }

void set_option(const Fd& fd, int level, int name, int value) {
  ::setsockopt(fd.get(), level, name, &value, sizeof value);
}

/// The port that it has then. Throws socket_error.
std::uint16_t bind_socket(const Fd& fd, const PortSocket& s) {
  dns::SocketAddress address{s.address, s.port, 0};
  sockaddr_storage raw{};
  socklen_t size = address.fill(raw);
  if (s.address.v6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Connections of a container that ended just now may linger; a listener on the port still keeps us out.
  if (s.protocol != Protocol::udp) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0) throw socket_error(errno, s);
  // Bound alone it could still be taken by somebody who listens.
  if (s.protocol != Protocol::udp && ::listen(fd.get(), SOMAXCONN) != 0) throw socket_error(errno, s);
  size = sizeof raw;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&raw), &size) != 0) throw_errno("publish {}", place(s));
  return dns::SocketAddress::from(raw).port;
}

/// Nothing: this host has none of that family.
std::optional<HeldPort> hold(PortSocket& s, bool optional) {
  int protocol = s.protocol == Protocol::sctp ? IPPROTO_SCTP : 0;
  Fd fd(::socket(s.address.v6 ? AF_INET6 : AF_INET, type_of(s.protocol) | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd && errno == EAFNOSUPPORT && optional) return std::nullopt;
  if (!fd) throw socket_error(errno, s);
  try {
    s.port = bind_socket(fd, s);
  } catch (const Error& e) {
    if (optional && e.sys_errno() == EADDRNOTAVAIL) return std::nullopt;  // IPv6 switched off
    throw;
  }
  return HeldPort{std::move(fd), s.protocol, s.target, s.target_port};
}

/// One published port, with all of its sockets on the same number.
std::vector<HeldPort> hold_port(PortMapping& port, const Endpoint& leader) {
  std::vector<HeldPort> held;
  std::uint16_t number = port.host_port;
  for (auto& s : plan_sockets(port, leader)) {
    s.port = number;
    bool other_family = !port.host_ip && s.address.v6;
    auto one = hold(s, other_family);
    if (!one) continue;
    number = s.port;
    held.push_back(std::move(*one));
  }
  port.host_port = number;
  return held;
}

Error all_busy(const PortMapping& port) {
  return error(ErrorCode::conflict, "publish port {}: all of {}-{} are taken", port.container_port, port.host_port,
               port.last_host_port)
      .with_errno(EADDRINUSE)
      .with_id("E-PORT-BUSY")
      .with_hint("give a wider range; -p PORT alone takes a free one");
}

std::vector<HeldPort> hold_one_of(PortMapping& port, const Endpoint& leader) {
  for (unsigned number = port.host_port; number <= port.last_host_port; ++number) {
    PortMapping chosen = port;
    chosen.host_port = static_cast<std::uint16_t>(number);
    chosen.last_host_port = 0;
    try {
      auto held = hold_port(chosen, leader);
      port = chosen;
      return held;
    } catch (const Error& e) {
      if (e.sys_errno() != EADDRINUSE) throw;
    }
  }
  throw all_busy(port);
}

std::vector<HeldPort> hold_any(PortMapping& port, const Endpoint& leader) {
  // A number that is free for IPv4 may be taken for IPv6.
  constexpr int attempts = 20;
  for (int i = 0;; ++i) {
    PortMapping chosen = port;
    try {
      auto held = hold_port(chosen, leader);
      port = chosen;
      return held;
    } catch (const Error& e) {
      if (port.host_port != 0 || e.sys_errno() != EADDRINUSE || i == attempts) throw;
    }
  }
}

}  // namespace

Attached hold_ports(const std::vector<PortMapping>& ports, const Endpoint& leader) {
  Attached result;
  for (PortMapping port : ports) {
    for (auto& h : port.last_host_port != 0 ? hold_one_of(port, leader) : hold_any(port, leader))
      result.held.push_back(std::move(h));
    result.ports.push_back(port);
  }
  return result;
}

}  // namespace servin::network
