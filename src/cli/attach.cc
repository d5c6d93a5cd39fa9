// SPDX-License-Identifier: Apache-2.0
#include "cli/attach.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/detach_keys.h"
#include "os/signals.h"
#include "os/terminal.h"

namespace servin::cli {
namespace {

using engine::Attachment;
using End = PumpResult::End;

constexpr std::size_t input_size = 16384;
constexpr int events_at_once = 32;
/// A pipe that polls writable takes at least this much without blocking.
constexpr std::size_t sure_write = 4096;
/// Interrupts further apart than this are not one person hammering Ctrl-C.
constexpr std::int64_t impatience_ns = 10'000'000'000;

/// Our stdout or stderr. Never blocks, so that signals are heard while nobody reads; never changes the flags of a
/// description that others share (a shell's terminal).
class Sink {
 public:
  explicit Sink(int fd) : fd_(fd) {}

  void put(std::string bytes) {
    if (!closed_) pending_ = std::move(bytes);
    write_some();
  }
  bool has_pending() const { return !pending_.empty(); }
  bool closed() const { return closed_; }
  int fd() const { return own_ ? own_.get() : fd_; }

  void write_some() {
    if (kind_ == Kind::unknown && has_pending()) find_kind();
    std::size_t done = 0;
    while (done < pending_.size()) {
      std::size_t size = pending_.size() - done;
      if (kind_ == Kind::careful) {
        if (!writable()) break;
        size = std::min(size, sure_write);
      }
      ssize_t n = ::write(fd(), pending_.data() + done, size);
      if (n >= 0) {
        done += static_cast<std::size_t>(n);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      closed_ = true;  // EPIPE, EIO of a terminal that is gone, ENOSPC: nobody gets these bytes
      done = pending_.size();
    }
    pending_.erase(0, done);
  }

 private:
  enum class Kind { unknown, direct, careful };

  void find_kind() {
    struct stat s{};
    kind_ = Kind::careful;
    if (::fstat(fd_, &s) != 0) return;
    if (S_ISREG(s.st_mode)) kind_ = Kind::direct;
    if (!S_ISFIFO(s.st_mode) && !S_ISCHR(s.st_mode)) return;
    // A description of our own for the same pipe or terminal may be non-blocking.
    char path[32];
    *fmt::format_to_n(path, sizeof path - 1, "/proc/self/fd/{}", fd_).out = '\0';
    own_.reset(::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (own_) kind_ = Kind::direct;
  }
  bool writable() const {
    pollfd p{fd_, POLLOUT, 0};
    return ::poll(&p, 1, 0) > 0;
  }

  int fd_;
  Fd own_;
  Kind kind_ = Kind::unknown;
  std::string pending_;
  bool closed_ = false;
};

sigset_t wanted_signals(const PumpOptions& o, bool raw) {
  sigset_t set;
  sigemptyset(&set);
  if (o.terminal) sigaddset(&set, SIGWINCH);
  if (raw) sigaddset(&set, SIGCONT);
  // In raw mode these end us, but only after the terminal is itself again.
  if (raw || o.sig_proxy)
    for (int s : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) sigaddset(&set, s);
  if (o.sig_proxy && !raw)
    for (int s : {SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR}) sigaddset(&set, s);
  return set;
}

class Pump {
 public:
  Pump(Attachment& attachment, const PumpOptions& o)
      : attachment_(attachment),
        o_(o),
        raw_wanted_(o.terminal && o.attach_stdin && is_terminal(o.in)),
        signals_(wanted_signals(o, raw_wanted_)),
        keys_(o.terminal ? parse_detach_keys(o.detach_keys) : ""),
        out_(o.out),
        err_(o.err),
        reading_(o.attach_stdin) {
    if (raw_wanted_) raw_.emplace(o.in);
    tell_size(o.redraw);
  }

  PumpResult run() {
    while (!over_) {
      drain_events();
      if (over_) break;
      wait();
      handle_signals();
      if (poll_[input].revents != 0 && !over_) read_input();
      if (!pending_input_.empty() && !over_) send_input();
      out_.write_some();
      err_.write_some();
      if (out_.closed() && !over_) output_closed();
    }
    raw_.reset();
    if (!note_.empty()) {
      // A program on a terminal leaves the cursor wherever it was.
      err_.put((raw_wanted_ ? "\nservin: " : "servin: ") + note_ + "\n");
    }
    return result_;
  }

 private:
  enum Slot { signal, socket, input, output, error_output, slots };

  void end(End how, int code) {
    over_ = true;
    result_.end = how;
    result_.code = code;
  }

  void drain_events() {
    // Not while our own output is stuck: what we do not take makes the container wait.
    more_events_ = false;
    for (int taken = 0; !over_ && !out_.has_pending() && !err_.has_pending(); ++taken) {
      if (taken == events_at_once) {
        more_events_ = true;  // signals and input get their turn
        return;
      }
      auto event = attachment_.next();
      if (!event) return;
      switch (event->kind) {
        case Attachment::Kind::out:
          out_.put(std::move(event->bytes));
          if (out_.closed()) output_closed();
          break;
        case Attachment::Kind::err:
          err_.put(std::move(event->bytes));
          break;
        case Attachment::Kind::exited:
          result_.oom_killed = event->exit.oom_killed;
          if (result_.oom_killed)
            note_ = "container " + o_.name +
                    " ran out of memory: the kernel killed a process of it; --memory sets the limit";
          end(killed_for_output_ ? End::signalled : End::exited, killed_for_output_ ? 128 + SIGPIPE : event->exit.code);
          break;
        case Attachment::Kind::closed:
          end(End::lost, 125);
          break;
      }
    }
  }

  void wait() {
    bool stuck = out_.has_pending() || err_.has_pending();
    poll_[signal] = {signals_.poll_fd().get(), POLLIN, 0};
    poll_[socket] = {attachment_.poll_fd().get(),
                     static_cast<short>((stuck ? 0 : POLLIN) | (pending_input_.empty() ? 0 : POLLOUT)), 0};
    // A hang-up of the socket shows whatever is asked for: while we are stuck it must not wake us over and over.
    if (stuck && pending_input_.empty()) poll_[socket].fd = -1;
    poll_[input] = {reading_ && pending_input_.empty() ? o_.in : -1, POLLIN, 0};
    poll_[output] = {out_.has_pending() ? out_.fd() : -1, POLLOUT, 0};
    poll_[error_output] = {err_.has_pending() ? err_.fd() : -1, POLLOUT, 0};
    while (::poll(poll_.data(), poll_.size(), more_events_ ? 0 : -1) < 0)
      if (errno != EINTR) throw_errno("wait for the container");
  }

  void handle_signals() {
    if (poll_[signal].revents == 0) return;
    while (auto s = signals_.next()) {
      if (*s == SIGWINCH) {
        tell_size(false);
      } else if (*s == SIGCONT) {
        if (raw_) raw_->again();
        tell_size(false);
      } else if (raw_ || !o_.sig_proxy) {
        end(End::signalled, 128 + *s);
      } else {
        forward(*s);
      }
    }
  }

  void forward(int s) {
    attachment_.signal(s);
    if (s != SIGINT) return;
    std::int64_t now = monotonic_ns();
    interrupts_ = now - last_interrupt_ < impatience_ns ? interrupts_ + 1 : 1;
    last_interrupt_ = now;
    if (interrupts_ < 3) return;
    note_ = fmt::format("container {0} does not end on interrupts and goes on without this terminal; servin stop {0}",
                        o_.name);
    end(End::left, 128 + SIGINT);
  }

  void read_input() {
    char buffer[input_size];
    ssize_t n = ::read(o_.in, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
      reading_ = false;
      attachment_.close_stdin();
      return;
    }
    std::string_view bytes(buffer, static_cast<std::size_t>(n));
    if (!raw_) {
      pending_input_ = bytes;
    } else {
      pending_input_ = keys_.feed(bytes);
      if (!keys_.found()) return;
      if (!pending_input_.empty()) send_input();  // what was typed before the keys
      attachment_.detach();
      note_ = "detached from " + o_.name;
      end(End::detached, 0);
    }
  }

  void send_input() {
    if (attachment_.write_stdin(pending_input_)) pending_input_.clear();
  }

  void tell_size(bool redraw) {
    if (!o_.terminal) return;
    auto size = window_size(o_.out);
    if (!size) size = window_size(o_.in);
    if (!size) return;
    // The kernel signals a change only: one row more, and back.
    if (redraw) attachment_.resize(static_cast<std::uint16_t>(size->rows + 1), size->columns);
    attachment_.resize(size->rows, size->columns);
  }

  void output_closed() {
    if (killed_for_output_) return;
    if (o_.kill_on_closed_output) {
      killed_for_output_ = true;
      attachment_.signal(SIGKILL);
      return;
    }
    note_ = fmt::format("the output was closed; container {0} goes on: servin logs {0}, servin stop {0}", o_.name);
    end(End::signalled, 128 + SIGPIPE);
  }

  Attachment& attachment_;
  const PumpOptions& o_;
  bool raw_wanted_;
  SignalFd signals_;  // before raw_: no signal may end us between raw mode and its way back
  std::optional<RawMode> raw_;
  DetachKeys keys_;
  Sink out_, err_;
  std::array<pollfd, slots> poll_{};
  std::string pending_input_;
  bool reading_;
  bool over_ = false;
  bool more_events_ = false;
  bool killed_for_output_ = false;
  int interrupts_ = 0;
  std::int64_t last_interrupt_ = 0;
  std::string note_;
  PumpResult result_;
};

/// SIGPIPE must not end us in the middle of raw mode; the write's EPIPE says the same.
class IgnorePipeSignal {
 public:
  IgnorePipeSignal() { before_ = ::signal(SIGPIPE, SIG_IGN); }
  ~IgnorePipeSignal() { ::signal(SIGPIPE, before_); }
  IgnorePipeSignal(const IgnorePipeSignal&) = delete;
  IgnorePipeSignal& operator=(const IgnorePipeSignal&) = delete;

 private:
  sighandler_t before_;
};

}  // namespace

void caller_size(std::uint16_t& rows, std::uint16_t& columns) {
  for (int fd : {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO})
    if (auto size = window_size(fd)) {
      rows = size->rows;
      columns = size->columns;
      return;
    }
}

PumpResult pump_attachment(Attachment& attachment, const PumpOptions& options) {
  IgnorePipeSignal guard;
  return Pump(attachment, options).run();
}

int pump(Attachment& attachment, const PumpOptions& options) {
  PumpResult result = pump_attachment(attachment, options);
  if (result.end == End::lost)
    throw error(ErrorCode::unavailable, "the connection to container {} was lost", options.name)
        .with_id("E-SUPERVISOR-LOST")
        .with_hint(fmt::format("servin ps -a shows what became of it, servin logs {} its output", options.name));
  return result.code;
}

}  // namespace servin::cli
