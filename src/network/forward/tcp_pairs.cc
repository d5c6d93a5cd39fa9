// SPDX-License-Identifier: Apache-2.0
#include "network/forward/tcp_pairs.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace servin::network {
namespace {

constexpr std::size_t chunk = 1U << 20U;

bool open_pipe(Pipe& pipe) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  pipe.read.reset(ends[0]);
  pipe.write.reset(ends[1]);
  return true;
}

/// The client sees at once that nobody is there, as it would without us.
void refuse(const Fd& client) {
  linger now{1, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool is_connected(const Fd& socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

Fd connect_to(const dns::SocketAddress& target) {
  sockaddr_storage raw{};
  socklen_t size = target.fill(raw);
  Fd fd(::socket(raw.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fd;
  int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&raw), size) != 0 && errno != EINPROGRESS) fd.reset();
  return fd;
}

}  // namespace

void TcpPairs::accept(const Fd& listener, const dns::SocketAddress& target) {
  while (pairs_.size() < limit_) {
    Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!client) return;
    int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto pair = std::make_unique<Pair>();
    pair->side[1].socket = connect_to(target);
    if (!pair->side[1].socket || !open_pipe(pair->flow[0].pipe) || !open_pipe(pair->flow[1].pipe)) {
      refuse(client);
      continue;
    }
    pair->side[0].socket = std::move(client);
    std::uint64_t id = next_++;
    Pair& p = *pairs_.emplace(id, std::move(pair)).first->second;
    watch(id, p.side[1], EPOLLOUT);
  }
}

void TcpPairs::on_event(std::uint64_t id) {
  auto found = pairs_.find(id);
  if (found == pairs_.end()) return;
  Pair& p = *found->second;
  if (!p.connected && !is_connected(p.side[1].socket)) {
    refuse(p.side[0].socket);
    return close(id);
  }
  p.connected = true;
  if (!advance(p) || (p.flow[0].done && p.flow[1].done)) return close(id);
  update(id, p);
}

bool TcpPairs::advance(Pair& p) {
  for (int i : {0, 1})
    if (!pump(p.flow[i], p.side[i].socket, p.side[1 - i].socket)) return false;
  return true;
}

/// False: the connection is broken.
bool TcpPairs::pump(Flow& flow, const Fd& from, const Fd& to) {
  while (!flow.done) {
    ssize_t in = 0, out = 0;
    if (!flow.ended && flow.held == 0) {
      in = ::splice(from.get(), nullptr, flow.pipe.write.get(), nullptr, chunk, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      if (in < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (in == 0) flow.ended = true;
      if (in > 0) flow.held += static_cast<std::size_t>(in);
    }
    if (flow.held > 0) {
      out = ::splice(flow.pipe.read.get(), nullptr, to.get(), nullptr, flow.held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      if (out < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (out > 0) flow.held -= static_cast<std::size_t>(out);
    }
    if (flow.ended && flow.held == 0) {
      flow.done = true;
      ::shutdown(to.get(), SHUT_WR);
    } else if (in <= 0 && out <= 0) {
      break;
    }
  }
  return true;
}

void TcpPairs::update(std::uint64_t id, Pair& p) {
  for (int i : {0, 1}) {
    bool reads = !p.flow[i].ended && p.flow[i].held == 0, writes = p.flow[1 - i].held > 0;
    watch(id, p.side[i], (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
  }
}

/// A side that has nothing to do is not watched at all: its hang-up would be told without end.
void TcpPairs::watch(std::uint64_t id, Side& side, std::uint32_t events) {
  if (side.events == events) return;
  if (events == 0)
    loop_.unwatch(side.token, side.socket);
  else if (side.events == 0)
    side.token = loop_.watch(side.socket, events, [this, id](std::uint32_t) { on_event(id); });
  else
    loop_.change(side.token, side.socket, events);
  side.events = events;
}

void TcpPairs::close(std::uint64_t id) {
  auto found = pairs_.find(id);
  if (found == pairs_.end()) return;
  for (auto& side : found->second->side)
    if (side.events != 0) loop_.unwatch(side.token, side.socket);
  pairs_.erase(found);
}

}  // namespace servin::network
