// SPDX-License-Identifier: Apache-2.0
#include "network/dns/server.h"

#include <cerrno>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/time.h"
#include "network/dns/answer.h"

namespace servin::dns {
namespace {

constexpr int receive_buffer = 4 << 20;  // a burst of a thousand questions waits here
constexpr int udp_batch = 64;            // then others get their turn

void set_option(const Fd& fd, int level, int name, int value) {
  ::setsockopt(fd.get(), level, name, &value, sizeof value);
}

Fd bind_socket(const SocketAddress& address, int kind) {
  Fd fd(::socket(address.address.v6 ? AF_INET6 : AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("make a socket for {}", address.address.text());
  if (address.address.v6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
  } else {
    set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
  }
  // TCP: connections of a resolver before us, that are only dying, do not hold the port. UDP: two could share it.
  if (kind == SOCK_STREAM) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (kind == SOCK_DGRAM) {
    set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer);
  }
  sockaddr_storage raw;
  socklen_t size = address.fill(raw);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0)
    throw_errno("listen on {} port {}", address.address.text(), address.port);
  if (kind == SOCK_STREAM && ::listen(fd.get(), 128) != 0)
    throw_errno("listen on {} port {}", address.address.text(), address.port);
  return fd;
}

SocketAddress bound_address(const Fd& fd) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&raw), &size) != 0) throw_errno("look at a socket");
  return SocketAddress::from(raw);
}

}  // namespace

Server::Server(Loop& loop, ZoneFolder& folder, const ServerConfig& config)
    : loop_(loop),
      folder_(folder),
      config_(config),
      upstreams_(config.upstream),
      forwarder_(loop, upstreams_, config.forward),
      tcp_(loop, config.tcp, [this](TcpService::ConnectionId id, const Address& client, std::string query) {
        handle(client, std::move(query), true, [this, id](const std::string& answer) { tcp_.reply(id, answer); });
      }) {}

void Server::listen(const Address& address) {
  SocketAddress wanted{address, config_.port, 0};
  Listener& udp = udp_.emplace_back();
  udp.fd = bind_socket(wanted, SOCK_DGRAM);
  udp.address = bound_address(udp.fd);
  udp.token = loop_.watch(udp.fd, EPOLLIN, [this, &udp](std::uint32_t) { on_udp(udp); });
  Listener& tcp = streams_.emplace_back();
  tcp.fd = bind_socket(udp.address, SOCK_STREAM);
  tcp.address = udp.address;
  tcp_.listen(tcp.fd);
}

void Server::close_listeners() {
  for (auto& l : udp_) l.fd.reset();
  for (auto& l : streams_) l.fd.reset();
}

std::uint16_t Server::port() const { return udp_.empty() ? 0 : udp_.front().address.port; }

std::vector<Address> Server::own_addresses() const {
  std::vector<Address> list;
  for (const auto& l : udp_) list.push_back(l.address.address);
  return list;
}

void Server::on_udp(Listener& listener) {
  char buffer[max_query + 1];
  for (int i = 0; i < udp_batch; ++i) {
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    ssize_t n = ::recvfrom(listener.fd.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&raw), &size);
    if (n < 0) return;
    if (static_cast<std::size_t>(n) > max_query) continue;
    on_udp_query(listener, SocketAddress::from(raw), std::string(buffer, static_cast<std::size_t>(n)));
  }
}

void Server::on_udp_query(Listener& listener, const SocketAddress& client, std::string query) {
  if (query.size() < header_size) return;
  UdpQuestion key{&listener, client, query};
  if (!pending_.insert(key).second) return;
  handle(client.address, std::move(query), false, [this, &listener, client, key](const std::string& answer) {
    pending_.erase(key);
    if (answer.empty()) return;
    sockaddr_storage raw;
    socklen_t size = client.fill(raw);
    ::sendto(listener.fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&raw),
             size);
  });
}

void Server::handle(const Address& client, std::string query, bool tcp, Reply reply) {
  auto id = query_id(query);
  if (!id) return reply("");
  auto message = parse_message(query);
  if (!message) return reply(write_failure(*id, Rcode::format_error));
  if (auto rcode = refuse(*message))
    return reply(write_answer(query, *message, {*rcode, false, {}}, tcp ? max_message : udp_limit(*message)));
  query.resize(message->end);
  message->answers.clear();
  handle_question(client, std::move(query), std::move(*message), tcp, std::move(reply));
}

// Containers of this network and the machine itself are served, nobody else: the gateway's address can be reached from
// other machines too when they route through this one.
void Server::handle_question(const Address& client, std::string query, Message message, bool tcp, Reply reply) {
  auto answer = [&](const Answer& a) {
    reply(write_answer(query, message, a, tcp ? max_message : udp_limit(message)));
  };
  const Zone& own = folder_.own();
  const Endpoint* endpoint = own.by_address(client);
  bool from_host = own.is_gateway(client);
  if (endpoint == nullptr && !from_host) return answer({Rcode::refused, false, {}});
  std::vector<const Zone*> zones = {&own};
  auto local = answer_locally(message.question, zones, turn_);
  if (!local && endpoint != nullptr) {
    zones = folder_.others_of(endpoint->id);
    local = answer_locally(message.question, zones, turn_);
  }
  if (local) {
    ++turn_;
    return answer(*local);
  }
  bool outside = !own.names().internal;
  for (const Zone* zone : zones) outside = outside || !zone->names().internal;
  // Of a network without a way out not even a question leaves. Refused, and not "no such name": a container that has
  // another name server asks that one then.
  if (!outside) return answer({Rcode::refused, false, {}});
  auto servers = upstreams_.servers(endpoint != nullptr ? endpoint->dns : std::vector<std::string>{}, own_addresses(),
                                    monotonic_ns());
  ForwardRequest request{std::move(query), std::move(message), std::move(servers), tcp, client, std::move(reply)};
  if (forwarder_.start(request)) return;
  request.reply(write_answer(request.query, request.message, {Rcode::server_failure, false, {}}, max_message));
}

}  // namespace servin::dns
