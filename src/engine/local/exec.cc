// SPDX-License-Identifier: Apache-2.0
// exec: this process joins the container's namespaces by a child and becomes its parent. Detached, a forked child of
// ours stays as the parent (this process has one thread), because the new process dies with its parent.
#include "runtime/linux/exec.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <poll.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error_record.h"
#include "base/id.h"
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/running.h"
#include "runtime/host/launch.h"

namespace servin::engine {
namespace {

void set_nonblocking(const Fd& fd) {
  if (!fd) return;
  int flags = ::fcntl(fd.get(), F_GETFL);
  ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
}

// The streams of the new process behind one descriptor: an epoll of output, errors and exit.
class ExecAttachment : public Attachment {
 public:
  ExecAttachment(runtime::Launched launched, std::function<void(int)> at_end)
      : launched_(std::move(launched)), at_end_(std::move(at_end)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw_errno("make an epoll");
    auto& io = launched_.stdio;
    terminal_ = io.terminal.is_open();
    if (terminal_) {
      output_ = std::move(io.terminal);
      input_ = output_.dup();
    } else {
      output_ = std::move(io.out);
      errors_ = std::move(io.err);
      input_ = std::move(io.in);
    }
    for (const Fd* fd : {&output_, &errors_, &input_}) set_nonblocking(*fd);
    for (const Fd* fd : {&output_, &errors_, &launched_.pidfd}) watch(*fd);
  }
  ~ExecAttachment() override = default;

  const Fd& poll_fd() const override { return epoll_; }

  std::optional<Event> next() override {
    if (told_) return Event{};
    flush_input();
    if (auto event = read_from(output_, Kind::out)) return event;
    if (auto event = read_from(errors_, Kind::err)) return event;
    if (!has_ended()) return std::nullopt;
    // What was written before the end is in the pipes already; a grandchild may keep them open for ever.
    if (auto event = read_from(output_, Kind::out)) return event;
    if (auto event = read_from(errors_, Kind::err)) return event;
    told_ = true;
    Event event;
    event.kind = Kind::exited;
    ExitStatus status = wait_child(launched_.process.pid);
    event.exit.code = status.code;
    at_end_(status.code);
    return event;
  }
  bool write_stdin(std::string_view bytes) override {
    refused_ = false;
    flush_input();
    refused_ = !waiting_.empty();
    wake_for_room(refused_);
    if (refused_) return false;
    waiting_ = bytes;
    flush_input();
    return true;
  }
  void close_stdin() override {
    if (terminal_) return;  // of a terminal: the end is typed, not closed
    input_ends_ = true;
    flush_input();
  }
  void resize(std::uint16_t rows, std::uint16_t columns) override {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    if (output_) ::ioctl(output_.get(), TIOCSWINSZ, &size);
  }
  void signal(int number) override { send_signal(launched_.pidfd, number); }
  void detach() override {
    Pipe ready = make_pipe();
    pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) drain();
    // Not before it has left our session: our end would hang it up.
    ready.write.reset();
    read_all(ready.read, 1, "who stays behind");
  }

  /// In a forked child: everything that the new process writes is read and dropped until it has ended, and its terminal
  /// stays open.
  [[noreturn]] void drain() {
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    try {
      Fd null = open_file("/dev/null", O_RDWR);
      for (int i = 0; i < 3; ++i) ::dup2(null.get(), i);
      null.reset();
      close_others();
      for (;;) {
        pollfd p{poll_fd().get(), POLLIN, 0};
        ::poll(&p, 1, -1);
        while (auto event = next())
          if (event->kind == Kind::exited || event->kind == Kind::closed) ::_exit(0);
      }
    } catch (...) {
      // Not our child: its end is known, its status is not.
    }
    ::_exit(0);
  }

 private:
  void watch(const Fd& fd) {
    if (!fd) return;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd.get();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) throw_errno("watch a stream");
  }
  // The caller's databases and pipes are not for who stays behind.
  void close_others() const {
    std::vector<int> ours = {2};
    for (const Fd* fd : {&launched_.pidfd, &epoll_, &output_, &errors_, &input_})
      if (*fd) ours.push_back(fd->get());
    std::sort(ours.begin(), ours.end());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      unsigned last = i + 1 < ours.size() ? static_cast<unsigned>(ours[i + 1]) - 1 : ~0U;
      if (auto first = static_cast<unsigned>(ours[i]) + 1; first <= last) ::syscall(SYS_close_range, first, last, 0);
    }
  }
  // Never blocks: what the process does not take yet waits, and the epoll wakes when it takes more.
  void flush_input() {
    while (!waiting_.empty() && input_) {
      ssize_t n = ::write(input_.get(), waiting_.data(), waiting_.size());
      if (n > 0) {
        waiting_.erase(0, static_cast<std::size_t>(n));
      } else if (n < 0 && errno == EAGAIN) {
        break;
      } else if (n == 0 || errno != EINTR) {
        input_.reset();  // it does not read any more
      }
    }
    if (!input_) waiting_.clear();
    if (waiting_.empty() && input_ends_) input_.reset();
    wake_for_room(!waiting_.empty() || refused_);
  }
  void wake_for_room(bool wanted) {
    if (wanted == room_watched_) return;
    room_watched_ = wanted;
    epoll_event event{};
    event.events = EPOLLOUT;
    // A closed descriptor has left the epoll by itself.
    if (input_) ::epoll_ctl(epoll_.get(), wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, input_.get(), &event);
  }
  bool has_ended() const {
    pollfd p{launched_.pidfd.get(), POLLIN, 0};
    return ::poll(&p, 1, 0) > 0;
  }
  std::optional<Event> read_from(Fd& fd, Kind kind) {
    if (!fd) return std::nullopt;
    char buffer[32768];
    ssize_t n = 0;
    do n = ::read(fd.get(), buffer, sizeof buffer);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
      Event event;
      event.kind = kind;
      event.bytes.assign(buffer, static_cast<std::size_t>(n));
      return event;
    }
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    // The end, or EIO: nobody holds the other side of a terminal any more.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
    fd.reset();
    return std::nullopt;
  }

  runtime::Launched launched_;
  std::function<void(int)> at_end_;
  Fd epoll_, output_, errors_, input_;
  std::string waiting_;  // input that the process has not taken yet
  bool terminal_ = false, input_ends_ = false, room_watched_ = false;
  // Bytes were not taken. next() may make the room for them: the caller is woken until it has offered them again.
  bool refused_ = false;
  bool told_ = false;
};

/// What a child says when its process runs; anything else is an error record, or nothing when it was killed.
constexpr std::string_view started = "+";

void tell(const Fd& pipe, const std::string& record) {
  try {
    write_all(pipe, record, "pipe");
  } catch (const Error&) {
    // Nobody is left to tell.
  }
}

void exec_detached(const std::function<runtime::Launched()>& launch, const std::function<void(int)>& at_end) {
  Pipe answer = make_pipe();
  pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    ::setsid();
    answer.read.reset();
    try {
      ExecAttachment attachment(launch(), at_end);
      write_all(answer.write, started, "pipe");
      answer.write.reset();
      attachment.drain();
    } catch (const Error& e) {
      tell(answer.write, encode_error(e));
    } catch (const std::exception& e) {
      tell(answer.write, encode_error(Error(ErrorCode::internal, e.what())));
    }
    ::_exit(1);
  }
  answer.write.reset();
  std::string said = read_all(answer.read, 1U << 20U, "the new process");
  if (said == started) return;
  ExitStatus end = wait_child(child);
  if (said.empty())
    throw error(ErrorCode::internal, "who was to stay with the new process ended before it was started (exit code {})",
                end.code)
        .with_hint("try again");
  throw decode_error(said);
}

}  // namespace

std::unique_ptr<Attachment> LocalEngine::exec(const std::string& text, const ExecRequest& request, bool detach) {
  if (request.command.empty())
    throw Error(ErrorCode::invalid_argument, "no command given")
        .with_id("E-NO-COMMAND")
        .with_hint("servin exec " + text + " COMMAND");
  Row row = find(text);
  ContainerState state;
  if (!settle_if_needed(row, state)) throw no_such_container(text);
  require_running(row.name, state.status);
  auto status = shim::read_status(run_dir(row.id));
  if (!status) throw no_such_container(text);
  runtime::ExecSpec spec{request.command,     request.env, request.user,
                         request.working_dir, request.tty, request.privileged};
  runtime::ExecOptions options;
  options.open_stdin = request.open_stdin;
  options.rows = request.rows;
  options.columns = request.columns;
  std::string plan = read_plan(row.id);
  bool host = isolation_of(row) == Isolation::none;
  auto launch = [&] {
    if (!host) return runtime::exec(plan, status->process, spec, options);
    return runtime::exec_on_host(plan, status->process, spec,
                                 {request.tty, request.open_stdin, request.rows, request.columns});
  };
  std::string exec_id = hex(random_bytes(32));
  auto at_end = [this, row, exec_id](int code) {
    emit(row, "exec_die", {{"execID", exec_id}, {"exitCode", std::to_string(code)}});
  };
  // Before it runs, so that its end comes behind.
  std::string command = ": " + join(request.command, " ");
  emit({row_event(row, "exec_create" + command, {{"execID", exec_id}}),
        row_event(row, "exec_start" + command, {{"execID", exec_id}})});
  if (!detach) return std::make_unique<ExecAttachment>(launch(), at_end);
  exec_detached(launch, at_end);
  return nullptr;
}

}  // namespace servin::engine
