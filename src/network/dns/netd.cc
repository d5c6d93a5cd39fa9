// SPDX-License-Identifier: Apache-2.0
#include "network/dns/netd.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/error_record.h"
#include "network/dns/sandbox.h"
#include "network/dns/server.h"
#include "os/process.h"

namespace servin::dns {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool use_filter = false;
#else
constexpr bool use_filter = true;
#endif

constexpr unsigned long wanted_descriptors = 10'000;
constexpr std::size_t other_descriptors = 400;  // TCP clients, listeners, files

ServerConfig fitting_config() {
  ServerConfig config;
  std::size_t room = raise_descriptor_limit(wanted_descriptors);
  // Two tries of one question may be open.
  std::size_t questions = room > other_descriptors ? (room - other_descriptors) / 2 : 64;
  config.forward.total = std::min(config.forward.total, questions);
  config.forward.per_client = std::min(config.forward.per_client, questions);
  return config;
}

class Netd {
 public:
  Netd(const std::string& dir, Fd lock)
      : folder_(dir), lock_(std::move(lock)), server_(loop_, folder_, fitting_config()) {
    watch_folder(dir);
    pid_file_ = open_at(folder_.dir(), "netd.pid", O_RDWR | O_CREAT, 0644);
    listen();
    write_pid();
    drop_rights(use_filter);
    release();
  }
  void run() { loop_.run(); }

 private:
  void watch_folder(const std::string& dir) {
    changes_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!changes_) throw_errno("watch {}", dir);
    constexpr std::uint32_t mask = IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_MOVE_SELF | IN_DELETE_SELF;
    if (::inotify_add_watch(changes_.get(), dir.c_str(), mask) < 0) throw_errno("watch {}", dir);
    loop_.watch(changes_, EPOLLIN, [this](std::uint32_t) { on_change(); });
  }

  void listen() {
    const Names& names = folder_.own().names();
    if (names.gateways.empty())
      throw Error(ErrorCode::internal, "the names of the network have no address to listen on");
    for (const auto& text : names.gateways) server_.listen(*Address::parse(text));
  }

  void write_pid() {
    std::string text = fmt::format("{} {}\n", me_.pid, me_.start);
    if (::pwrite(pid_file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(pid_file_.get(), static_cast<off_t>(text.size())) != 0)
      throw_errno("write netd.pid");
  }

  void on_change() {
    alignas(inotify_event) char buffer[4096];
    bool moved = false;
    for (ssize_t n; (n = ::read(changes_.get(), buffer, sizeof buffer)) > 0;) {
      for (ssize_t at = 0; at < n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        moved = moved || (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF)) != 0;
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    if (moved || !has_pid_file()) return loop_.stop();
    if (folder_.own().names().endpoints.empty()) end_unless_needed();
  }

  /// The folder is being removed, or another resolver has taken it over.
  bool has_pid_file() const {
    struct stat named{}, ours{};
    return ::fstatat(folder_.dir().get(), "netd.pid", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ::fstat(pid_file_.get(), &ours) == 0 && named.st_ino == ours.st_ino;
  }

  // Whoever adds a container writes names first and looks at netd.pid then. The other way round here: either we see the
  // new container, or the look finds nobody, waits for the lock and starts a new resolver.
  void end_unless_needed() {
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return;  // somebody starts something: a change will follow
    if (::ftruncate(pid_file_.get(), 0) != 0) return release();
    if (folder_.own().names().endpoints.empty()) {
      server_.close_listeners();  // before the lock goes with the process: the next one binds the same port
      loop_.stop();
      return;
    }
    write_pid();
    release();
  }

  void release() { ::flock(lock_.get(), LOCK_UN); }

  ProcessId me_ = this_process();
  Loop loop_;
  ZoneFolder folder_;
  Fd lock_, pid_file_, changes_;
  Server server_;
};

}  // namespace

int run_netd(const std::string& dir, Fd ready, Fd lock) {
  ::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<Netd> netd;
  try {
    netd = std::make_unique<Netd>(dir, std::move(lock));
  } catch (const Error& e) {
    write_all(ready, encode_error(e), "the start of the resolver");
    return 1;
  }
  ready.reset();
  try {
    netd->run();
  } catch (const Error&) {
    return 1;  // nobody listens; the next command starts another
  }
  return 0;
}

}  // namespace servin::dns
