// SPDX-License-Identifier: Apache-2.0
#include "shim/clients.h"

#include <cerrno>
#include <unistd.h>

#include <sys/socket.h>

namespace servin::shim {
namespace {

bool same_user(const Fd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

void Clients::add_spawner(Fd socket, const Subscription& wants) {
  One& c = clients_[0];
  c.fd = std::move(socket);
  c.spawner = c.subscribed = true;
  c.stdin_ = wants.stdin_;
  c.out = wants.out;
  c.err = wants.err;
}

void Clients::accept(const Fd& listener) {
  for (;;) {
    Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    // The socket is 0600 in a 0700 folder; this holds even if somebody loosened these.
    if (!same_user(socket)) continue;
    One* place = nullptr;
    for (One& c : clients_)
      if (&c != &clients_[0] && !c.fd) {
        place = &c;
        break;
      }
    if (!place) {
      Error full(ErrorCode::resource_exhausted, "too many clients are attached to the container");
      std::string frame(1, static_cast<char>(ToClient::failed));
      frame += encode_error(full);
      ::send(socket.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      continue;
    }
    // How far it may fall behind before it is cut off. More than the system's default needs a right that root has.
    int room = 4 << 20;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    *place = One{};
    place->fd = std::move(socket);
  }
}

bool Clients::wants(const One& c, ToClient kind) const {
  if (!c.fd || !c.subscribed) return false;
  if (kind == ToClient::out) return c.out;
  if (kind == ToClient::err) return c.err;
  return true;
}

Clients::Sent Clients::send(const One& c, std::string_view frame) {
  for (;;) {
    if (::send(c.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return Sent::yes;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? Sent::full : Sent::gone;
  }
}

bool Clients::broadcast(ToClient kind, std::string_view frame) {
  bool stuck = false;
  for (One& c : clients_) {
    if (!wants(c, kind)) continue;
    Sent sent = send(c, frame);
    if (sent == Sent::full && c.spawner)
      stuck = true;
    else if (sent != Sent::yes)
      drop(c);
  }
  return stuck;
}

bool Clients::retry_spawner(std::string_view frame) {
  One& c = clients_[0];
  if (!c.fd) return false;
  Sent sent = send(c, frame);
  if (sent == Sent::gone) drop(c);
  return sent == Sent::full;
}

std::size_t Clients::fill_poll(pollfd* to, bool spawner_stuck) const {
  std::size_t used = 0;
  for (std::size_t i = 0; i < limit; ++i) {
    const One& c = clients_[i];
    if (c.fd) used = i + 1;
    // Who may send input is heard only while there is room for it: its queue then fills and it waits.
    bool hear = !c.stdin_ || events_.can_take_input();
    short events = hear ? POLLIN : 0;
    if (c.spawner && spawner_stuck) events |= POLLOUT;
    // A hang-up wakes whatever is asked for: not until the last input can be taken.
    to[i] = {c.hung_up && !hear ? -1 : c.fd.get(), events, 0};
  }
  return used;
}

void Clients::handle(const pollfd* polled, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    One& c = clients_[i];
    if (!c.fd || polled[i].fd != c.fd.get() || polled[i].revents == 0) continue;
    if ((polled[i].revents & (POLLHUP | POLLERR)) != 0) {
      c.hung_up = true;
      c.out = c.err = false;
    }
    if (!c.stdin_ || events_.can_take_input()) receive(c);
  }
}

void Clients::receive(One& c) {
  char message[input_chunk + 64];
  // One message at a time: the next may be input for which there is no room any more.
  ssize_t n = ::recv(c.fd.get(), message, sizeof message, MSG_DONTWAIT | MSG_TRUNC);
  // ECONNRESET: it ended with output of ours unread; comes once, before the rest of its input.
  if (n < 0 && (errno == EINTR || errno == ECONNRESET || (errno == EAGAIN && !c.hung_up))) return;
  if (n <= 0 || static_cast<std::size_t>(n) > sizeof message) return drop(c);
  try {
    dispatch(c, std::string_view(message, static_cast<std::size_t>(n)));
  } catch (const Error&) {
    drop(c);
  }
}

void Clients::dispatch(One& c, std::string_view message) {
  auto kind = static_cast<ToShim>(message[0]);
  std::string_view body = message.substr(1);
  if (!c.subscribed) {
    if (kind != ToShim::subscribe) return drop(c);
    return subscribe(c, body);
  }
  if (kind == ToShim::stdin_bytes && c.stdin_) return events_.input(body);
  if (kind == ToShim::close_stdin && c.stdin_) return events_.close_input(c.spawner);
  if (kind == ToShim::resize) {
    RecordReader r(body);
    auto rows = r.get<std::uint16_t>();
    auto columns = r.get<std::uint16_t>();
    return events_.resize(rows, columns);
  }
  if (kind == ToShim::released && c.spawner) return events_.released();
  drop(c);
}

void Clients::subscribe(One& c, std::string_view body) {
  RecordReader r(body);
  auto version = r.get<std::uint8_t>();
  r.get(c.stdin_);
  r.get(c.out);
  r.get(c.err);
  if (version != frame_version || send(c, started_) != Sent::yes) return drop(c);
  c.subscribed = true;
}

void Clients::drop(One& c) {
  bool ends_input = c.spawner && c.stdin_;
  c = One{};
  // `producer | servin run -i`, and servin was killed: the container sees the end of its input.
  if (ends_input) events_.close_input(true);
}

}  // namespace servin::shim
