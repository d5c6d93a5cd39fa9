// SPDX-License-Identifier: Apache-2.0
#include "engine/local/event_stream.h"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "base/error.h"
#include "base/event.h"
#include "os/file.h"

namespace servin::engine {
namespace {

// Two writers look at the clock before they write: the later line may carry a time some microseconds earlier. Such a
// step back is none; a longer one is a clock that was set.
constexpr std::int64_t same_moment = 100'000'000;

constexpr std::size_t longest_line = 1U << 20U;

Fd timer_at(Time until) {
  Fd timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) throw_errno("make a timer");
  itimerspec when{};
  when.it_value.tv_sec = until.ns / 1'000'000'000;
  when.it_value.tv_nsec = until.ns % 1'000'000'000;
  if (when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0) when.it_value.tv_nsec = 1;  // zero would disarm it
  if (::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, nullptr) != 0)
    throw_errno("set a timer");
  return timer;
}

bool is_same_file(const Fd& a, const Fd& b) {
  struct stat first{};
  struct stat second{};
  return a && b && ::fstat(a.get(), &first) == 0 && ::fstat(b.get(), &second) == 0 && first.st_ino == second.st_ino &&
         first.st_dev == second.st_dev;
}

}  // namespace

std::optional<Event> parse_event(std::string_view line) {
  auto start = line.rfind(event_line_start);
  if (start == std::string_view::npos) return std::nullopt;
  auto json = nlohmann::json::parse(line.substr(start), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    Event event;
    event.time.ns = json.at("time").get<std::int64_t>();
    json.at("type").get_to(event.type);
    json.at("action").get_to(event.action);
    json.at("id").get_to(event.id);
    json.at("attributes").get_to(event.attributes);
    return event;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

EventStream::EventStream(const std::string& path, bool history)
    : path_(path), watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!watch_) throw_errno("watch {}", path);
  std::string folder = path.substr(0, path.rfind('/'));
  make_dirs(folder);
  folder_watch_ = ::inotify_add_watch(watch_.get(), folder.c_str(), IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF);
  if (folder_watch_ < 0) throw_errno("watch {}", folder);
  // The newer one first: it may become the older one in between, but must not be missed.
  open_current(!history);
  if (history) older_.file.reset(::open((path + ".1").c_str(), O_RDONLY | O_CLOEXEC));
  if (is_same_file(older_.file, current_.file)) older_.file.reset();
}

void EventStream::open_current(bool at_end) {
  renewed_ = false;
  Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  // Moved aside already since it was made, or nothing has happened yet: its birth shows in the folder.
  if (!file && current_.file) file.reset(::open((path_ + ".1").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || is_same_file(file, current_.file)) return;
  if (current_.file) older_ = std::move(current_);
  current_ = Tail{std::move(file), ""};
  ::inotify_add_watch(watch_.get(), path_.c_str(), IN_MODIFY);
  if (at_end) ::lseek(current_.file.get(), 0, SEEK_END);
}

void EventStream::visit_line(std::string_view line, const std::function<void(const Event&)>& visit) {
  auto event = parse_event(line);
  if (!event) return;
  if (event->time < last_ && last_.ns - event->time.ns < same_moment) event->time = last_;
  last_ = event->time;
  visit(*event);
}

void EventStream::read_tail(Tail& tail, const std::function<void(const Event&)>& visit) {
  char buffer[64U << 10U];
  while (tail.file) {
    ssize_t n = ::read(tail.file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    tail.rest.append(buffer, static_cast<std::size_t>(n));
    std::size_t at = 0;
    for (std::size_t end = 0; (end = tail.rest.find('\n', at)) != std::string::npos; at = end + 1)
      visit_line(std::string_view(tail.rest).substr(at, end - at), visit);
    tail.rest.erase(0, at);
    if (tail.rest.size() > longest_line) tail.rest.clear();
  }
}

void EventStream::read(const std::function<void(const Event&)>& visit) {
  // A writer that had the older file open when it was moved aside writes its lines there.
  read_tail(older_, visit);
  read_tail(current_, visit);
  if (!renewed_) return;
  open_current(false);
  read_tail(older_, visit);
  read_tail(current_, visit);
}

bool EventStream::wait(std::optional<Time> until) {
  Fd timer = until ? timer_at(*until) : Fd();
  pollfd polled[2] = {{watch_.get(), POLLIN, 0}, {timer.get(), POLLIN, 0}};
  while (::poll(polled, 2, -1) < 0)
    if (errno != EINTR) throw_errno("wait for events");
  alignas(inotify_event) char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(watch_.get(), buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < n;) {
      const auto* e = reinterpret_cast<const inotify_event*>(buffer + at);
      if (e->wd == folder_watch_ && (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) gone_ = true;
      if (e->wd == folder_watch_ && (e->mask & IN_CREATE) != 0 && path_.ends_with(std::string("/") + e->name))
        renewed_ = true;
      at += static_cast<ssize_t>(sizeof *e + e->len);
    }
  }
  return !gone_;
}

}  // namespace servin::engine
