// SPDX-License-Identifier: Apache-2.0
// The event loop of a single-threaded server: descriptors, and deadlines on the monotonic clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "os/fd.h"

namespace servin::dns {

class Loop {
 public:
  using Token = std::uint64_t;  // never used twice, so that a late event finds nobody instead of somebody else
  using Handler = std::function<void(std::uint32_t events)>;

  Loop();
  /// `fd` stays the caller's and must outlive the watch.
  Token watch(const Fd& fd, std::uint32_t events, Handler handler);
  void change(Token token, const Fd& fd, std::uint32_t events);
  void unwatch(Token token, const Fd& fd);

  Token at(std::int64_t due, std::function<void()> handler);
  void cancel(Token timer);

  /// Until stop(); handlers may call anything here, also on themselves.
  void run();
  void stop() { stopped_ = true; }

 private:
  int wait_ms() const;
  void run_timers();
  Fd epoll_;
  Token next_ = 1;
  bool stopped_ = false;
  std::unordered_map<Token, std::shared_ptr<Handler>> handlers_;
  std::set<std::pair<std::int64_t, Token>> due_;
  std::unordered_map<Token, std::pair<std::int64_t, std::function<void()>>> timers_;
};

}  // namespace servin::dns
