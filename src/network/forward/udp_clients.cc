// SPDX-License-Identifier: Apache-2.0
#include "network/forward/udp_clients.h"

#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/time.h"

namespace servin::network {
namespace {

constexpr std::int64_t idle_ns = 120'000'000'000;
constexpr std::size_t largest = 65536;
char buffer[largest];

/// The same control message sends from that address.
std::string destination_of(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO;
    bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO;
    if (!v4 && !v6) continue;
    if (v4) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      info.ipi_ifindex = 0;
      info.ipi_spec_dst = info.ipi_addr;
      std::memcpy(CMSG_DATA(c), &info, sizeof info);
    }
    return {reinterpret_cast<const char*>(c), CMSG_SPACE(c->cmsg_len - CMSG_LEN(0))};
  }
  return "";
}

}  // namespace

UdpClients::UdpClients(dns::Loop& loop, const Fd& socket, dns::SocketAddress target, std::size_t limit)
    : loop_(loop), socket_(socket), target_(target), limit_(limit) {
  int on = 1;
  ::setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

void UdpClients::receive() {
  for (int i = 0; i < 64; ++i) {  // then others have their turn
    sockaddr_storage from{};
    alignas(cmsghdr) char control[256];
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    Client* c = client(dns::SocketAddress::from(from), destination_of(message));
    if (c == nullptr) continue;
    touch(*c);
    ::send(c->socket.get(), buffer, static_cast<std::size_t>(n), MSG_DONTWAIT);  // lost, as datagrams may be
  }
}

UdpClients::Client* UdpClients::client(const dns::SocketAddress& address, const std::string& control) {
  if (auto found = clients_.find(address); found != clients_.end()) return found->second.get();
  if (clients_.size() >= limit_) return nullptr;
  sockaddr_storage raw{};
  socklen_t size = target_.fill(raw);
  auto c = std::make_unique<Client>();
  c->socket.reset(::socket(raw.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!c->socket || ::connect(c->socket.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0) return nullptr;
  c->address = address;
  c->control = control;
  Client* raw_client = c.get();
  c->token = loop_.watch(c->socket, EPOLLIN, [this, raw_client](std::uint32_t) { answer(*raw_client); });
  clients_.emplace(address, std::move(c));
  return raw_client;
}

void UdpClients::answer(Client& c) {
  ssize_t n = ::recv(c.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0) return;  // refused by the container: datagrams get no answer then
  touch(c);
  sockaddr_storage to{};
  socklen_t size = c.address.fill(to);
  iovec part{buffer, static_cast<std::size_t>(n)};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = c.control.data();
  message.msg_controllen = c.control.size();
  ::sendmsg(socket_.get(), &message, MSG_DONTWAIT);
}

void UdpClients::touch(Client& c) {
  if (c.timer != 0) loop_.cancel(c.timer);
  c.timer = loop_.at(monotonic_ns() + idle_ns, [this, address = c.address] { drop(address); });
}

void UdpClients::drop(const dns::SocketAddress& address) {
  auto found = clients_.find(address);
  if (found == clients_.end()) return;
  loop_.unwatch(found->second->token, found->second->socket);
  clients_.erase(found);
}

}  // namespace servin::network
