// SPDX-License-Identifier: Apache-2.0
#include "network/dns/loop.h"

#include <algorithm>
#include <cerrno>

#include <sys/epoll.h>

#include "base/error.h"
#include "base/time.h"

namespace servin::dns {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw_errno("make an event loop");
}

Loop::Token Loop::watch(const Fd& fd, std::uint32_t events, Handler handler) {
  Token token = next_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) throw_errno("watch a descriptor");
  handlers_.emplace(token, std::make_shared<Handler>(std::move(handler)));
  return token;
}

void Loop::change(Token token, const Fd& fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) throw_errno("watch a descriptor");
}

void Loop::unwatch(Token token, const Fd& fd) {
  if (handlers_.erase(token) == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
}

Loop::Token Loop::at(std::int64_t due, std::function<void()> handler) {
  Token token = next_++;
  due_.emplace(due, token);
  timers_.emplace(token, std::pair(due, std::move(handler)));
  return token;
}

void Loop::cancel(Token timer) {
  auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  due_.erase({found->second.first, timer});
  timers_.erase(found);
}

int Loop::wait_ms() const {
  if (due_.empty()) return -1;
  std::int64_t left = due_.begin()->first - monotonic_ns();
  return static_cast<int>(std::clamp<std::int64_t>((left + 999'999) / 1'000'000, 0, 60'000));
}

void Loop::run_timers() {
  std::int64_t now = monotonic_ns();
  while (!due_.empty() && due_.begin()->first <= now && !stopped_) {
    auto node = timers_.extract(due_.begin()->second);
    due_.erase(due_.begin());
    node.mapped().second();
  }
}

void Loop::run() {
  stopped_ = false;
  epoll_event events[64];
  while (!stopped_) {
    int n = ::epoll_wait(epoll_.get(), events, 64, wait_ms());
    if (n < 0 && errno != EINTR) throw_errno("wait for events");
    for (int i = 0; i < n && !stopped_; ++i) {
      auto found = handlers_.find(events[i].data.u64);
      if (found == handlers_.end()) continue;
      auto handler = found->second;  // it may remove itself meanwhile
      (*handler)(events[i].events);
    }
    run_timers();
  }
}

}  // namespace servin::dns
