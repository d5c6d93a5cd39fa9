// SPDX-License-Identifier: Apache-2.0
#include "network/dns/tcp_service.h"

#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/time.h"

namespace servin::dns {

struct TcpService::Connection {
  Fd fd;
  Address client;
  Loop::Token token = 0;
  Loop::Token idle = 0;
  std::uint32_t events = EPOLLIN;
  FrameReader in{max_query};
  std::string unsent;
  std::size_t outstanding = 0;
  bool at_end = false;  // the client sends nothing more
  bool taking = false;  // its queries are being handed over: no second round inside the first
};

TcpService::TcpService(Loop& loop, TcpLimits limits, OnQuery on_query)
    : loop_(loop), limits_(limits), on_query_(std::move(on_query)) {}

TcpService::~TcpService() {
  for (auto& [id, c] : connections_) {
    loop_.cancel(c->idle);
    loop_.unwatch(c->token, c->fd);
  }
}

TcpService::Connection* TcpService::find(ConnectionId id) {
  auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void TcpService::listen(const Fd& listener) {
  loop_.watch(listener, EPOLLIN, [this, &listener](std::uint32_t) { accept(listener); });
}

void TcpService::accept(const Fd& listener) {
  sockaddr_storage raw{};
  socklen_t size = sizeof raw;
  Fd fd(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&raw), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) return;
  Address client = SocketAddress::from(raw).address;
  auto of_client = per_client_.find(client);
  bool many = of_client != per_client_.end() && of_client->second >= limits_.per_client;
  if (many || connections_.size() >= limits_.connections) return;  // closed: it may come again
  ++per_client_[client];
  ConnectionId id = next_id_++;
  auto& c = connections_[id] = std::make_unique<Connection>();
  c->fd = std::move(fd);
  c->client = client;
  c->token = loop_.watch(c->fd, EPOLLIN, [this, id](std::uint32_t events) { on_event(id, events); });
  touch(id, *c);
}

void TcpService::touch(ConnectionId id, Connection& c) {
  loop_.cancel(c.idle);
  c.idle = loop_.at(monotonic_ns() + limits_.idle_ns, [this, id] { close(id); });
}

void TcpService::close(ConnectionId id) {
  auto node = connections_.extract(id);
  if (node.empty()) return;
  Connection& c = *node.mapped();
  loop_.cancel(c.idle);
  loop_.unwatch(c.token, c.fd);
  auto count = per_client_.find(c.client);
  if (count != per_client_.end() && --count->second == 0) per_client_.erase(count);
}

void TcpService::on_event(ConnectionId id, std::uint32_t events) {
  Connection* c = find(id);
  if (c == nullptr) return;
  touch(id, *c);
  bool good = (events & EPOLLERR) == 0;
  if (good && (events & EPOLLOUT) != 0) good = send(*c);
  if (good && (events & (EPOLLIN | EPOLLHUP)) != 0) good = receive(*c);
  if (!good) return close(id);
  take_queries(id);
}

bool TcpService::receive(Connection& c) {
  char buffer[8192];
  ssize_t n = ::recv(c.fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) c.at_end = true;
  c.in.feed({buffer, static_cast<std::size_t>(n)});
  return !c.in.damaged();
}

bool TcpService::send(Connection& c) {
  while (!c.unsent.empty()) {
    ssize_t n = ::send(c.fd.get(), c.unsent.data(), c.unsent.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    c.unsent.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

void TcpService::take_queries(ConnectionId id) {
  Connection* c = find(id);
  if (c == nullptr || c->taking) return;
  c->taking = true;
  while (c != nullptr && c->outstanding < limits_.outstanding && c->unsent.size() < limits_.unsent) {
    auto query = c->in.next();
    if (!query) break;
    ++c->outstanding;
    Address client = c->client;
    on_query_(id, client, std::move(*query));
    c = find(id);  // answered at once, it may be closed
  }
  if (c == nullptr) return;
  c->taking = false;
  update(id);
}

void TcpService::reply(ConnectionId id, std::string_view answer) {
  Connection* c = find(id);
  if (c == nullptr) return;
  --c->outstanding;
  if (!answer.empty()) c->unsent += framed(answer);
  if (!send(*c)) return close(id);
  touch(id, *c);
  take_queries(id);
}

/// What the connection waits for now; closes it when that is nothing.
void TcpService::update(ConnectionId id) {
  Connection* c = find(id);
  if (c == nullptr) return;
  if (c->in.damaged() || (c->at_end && c->outstanding == 0 && c->unsent.empty())) return close(id);
  bool room = c->outstanding < limits_.outstanding && c->unsent.size() < limits_.unsent;
  std::uint32_t events = 0;
  if (room && !c->at_end) events |= EPOLLIN;
  if (!c->unsent.empty()) events |= EPOLLOUT;
  if (events == c->events) return;
  c->events = events;
  loop_.change(c->token, c->fd, events);
}

}  // namespace servin::dns
