// SPDX-License-Identifier: Apache-2.0
#include "shim/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/event.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/journal.h"
#include "shim/verb.h"

namespace servin::shim {
namespace {

constexpr std::size_t page = 4096;
// One page in front holds the frame's kind, so that what is read behind it is a whole frame without a copy.
alignas(page) char output_buffer[page + output_chunk];
alignas(page) char input_buffer[input_chunk];
char* const frame_start = output_buffer + page - 1;

constexpr std::int64_t millisecond = 1'000'000;
/// After the exit: how long a reader that is slow may hold up the record of it.
constexpr std::int64_t record_after = 1000 * millisecond;
/// After the exit: how long pipes are read that somebody outside the container still holds open.
constexpr std::int64_t drain_limit = 2000 * millisecond;
/// Idle time after which the buffers' memory goes back to the kernel.
constexpr int idle_ms = 1000;

enum Slot { children, output, error_output, stdin_slot, listening, arriving, first_client };

void set_nonblocking(const Fd& fd) {
  int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0) ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
}

Fd watch_children() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  // Only now: the mask would be inherited by what the launch executes.
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw_errno("make a signal descriptor");
  return fd;
}

}  // namespace

Supervisor::Supervisor(Start start, Launcher& launcher)
    : request_(std::move(start.request)),
      launched_(std::move(start.launched)),
      launcher_(launcher),
      status_(std::move(start.status)),
      listener_(std::move(start.listener)),
      started_frame_(std::move(start.started_frame)),
      clients_(*this, status_.process, started_frame_),
      ports_(std::move(start.ports), std::move(request_.port_targets)),
      children_(watch_children()),
      helper_(start.helper) {
  if (start.spawner) {
    Subscription wants{request_.attach_stdin && request_.open_stdin, request_.attach_out, request_.attach_err};
    clients_.add_spawner(std::move(start.spawner), wants);
  }
  set_up_streams();
  open_log();
  if (!request_.health.verb.empty()) plan_check();
}

void Supervisor::set_up_streams() {
  auto& stdio = launched_.stdio;
  if (request_.terminal) {
    out_.fd = &stdio.terminal;
    keep_terminal_open();
    set_nonblocking(stdio.terminal);
    return;
  }
  if (stdio.out) out_.fd = &stdio.out;
  if (stdio.err) err_.fd = &stdio.err;
  err_.kind = ToClient::err;
  err_.stream = LogWriter::Stream::err;
  if (stdio.in) set_nonblocking(stdio.in);
}

/// Without an open peer the master reads EIO whenever no process of the container has the terminal open for a moment.
void Supervisor::keep_terminal_open() {
#ifdef TIOCGPTPEER
  terminal_peer_.reset(::ioctl(launched_.stdio.terminal.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
#endif
}

void Supervisor::open_log() {
  if (!request_.log.is_set()) return;
  try {
    log_.emplace(request_.log);
  } catch (const Error&) {
    // The container runs already: no log is better than no container. `logs` says that the file is missing.
  }
}

void Supervisor::run() {
  reap();  // what ended before SIGCHLD was watched
  while (!tidied_ || !told_ || !drained()) {
    wait();
    char info[sizeof(signalfd_siginfo) * 4];
    if (poll_[children].revents != 0)
      while (::read(children_.get(), info, sizeof info) > 0) reap();
    offer_pending();
    write_input();
    read_output(out_, poll_[output].revents != 0);
    read_output(err_, poll_[error_output].revents != 0);
    clients_.handle(poll_ + first_client, polled_clients_);
    if (poll_[listening].revents != 0) clients_.accept(listener_);
    if (poll_[arriving].revents != 0 && ports_.poll_fd() >= 0) ports_.start_carrier();
    if (!exited_ && is_check_due()) start_check();
    if (exited_) settle();
  }
  if (status_.phase == Phase::restarting) start_again();
}

void Supervisor::wait() {
  bool stuck = pending_ > 0;
  auto in = [&](const Output& o) { return o.fd && !stuck ? o.fd->get() : -1; };
  const Fd& stdin_fd = request_.terminal ? launched_.stdio.terminal : launched_.stdio.in;
  poll_[children] = {children_.get(), POLLIN, 0};
  poll_[output] = {in(out_), POLLIN, 0};
  poll_[error_output] = {in(err_), POLLIN, 0};
  poll_[stdin_slot] = {input_size_ > 0 && stdin_fd ? stdin_fd.get() : -1, POLLOUT, 0};
  poll_[listening] = {listener_.get(), POLLIN, 0};
  poll_[arriving] = {ports_.poll_fd(), POLLIN, 0};
  polled_clients_ = clients_.fill_poll(poll_ + first_client, stuck);
  while (::poll(poll_, first_client + polled_clients_, timeout_ms()) == 0) {
    if (exited_ || is_check_due()) return;
    if (!busy_) continue;
    // Quiet for a while: the pages that a burst used are not kept.
    ::madvise(output_buffer, sizeof output_buffer, MADV_DONTNEED);
    if (input_size_ == 0) ::madvise(input_buffer, sizeof input_buffer, MADV_DONTNEED);
    if (log_) log_->release_memory();
    busy_ = false;
  }
}

int Supervisor::timeout_ms() const {
  if (!exited_) {
    int idle = busy_ && pending_ == 0 ? idle_ms : -1;
    if (next_check_ == 0) return idle;
    std::int64_t left = std::clamp<std::int64_t>((next_check_ - monotonic_ns()) / millisecond + 1, 0, INT32_MAX);
    return idle < 0 ? static_cast<int>(left) : std::min(idle, static_cast<int>(left));
  }
  if (!recorded_ || !tidied_) return static_cast<int>(record_after / millisecond);
  return pending_ > 0 ? -1 : static_cast<int>(drain_limit / millisecond);
}

void Supervisor::read_output(Output& o, bool ready) {
  if (!ready || !o.fd || pending_ > 0) return;
  ssize_t n = ::read(o.fd->get(), output_buffer + page, output_chunk);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) {  // the end; EIO: the terminal's last peer is gone
    if (!request_.terminal || exited_) o.fd->reset();
    if (!*o.fd) o.fd = nullptr;
    return;
  }
  busy_ = true;
  auto size = static_cast<std::size_t>(n);
  if (log_) log_->write(o.stream, std::string_view(output_buffer + page, size), now());
  *frame_start = static_cast<char>(o.kind);
  if (clients_.broadcast(o.kind, std::string_view(frame_start, size + 1))) pending_ = size + 1;
}

void Supervisor::offer_pending() {
  if (pending_ > 0 && !clients_.retry_spawner(std::string_view(frame_start, pending_))) pending_ = 0;
}

void Supervisor::input(std::string_view bytes) {
  const Fd& fd = request_.terminal ? launched_.stdio.terminal : launched_.stdio.in;
  if (!fd || close_input_ || exited_) return;
  std::memcpy(input_buffer, bytes.data(), bytes.size());
  input_size_ = bytes.size();
  input_done_ = 0;
  busy_ = true;
  write_input();
}

void Supervisor::write_input() {
  const Fd& fd = request_.terminal ? launched_.stdio.terminal : launched_.stdio.in;
  while (input_size_ > 0) {
    ssize_t n = fd ? ::write(fd.get(), input_buffer + input_done_, input_size_ - input_done_) : -1;
    if (n > 0) {
      input_done_ += static_cast<std::size_t>(n);
      if (input_done_ == input_size_) input_size_ = 0;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || errno == EAGAIN) return;
    drop_input();  // EPIPE: the container closed its stdin
  }
  if (close_input_) launched_.stdio.in.reset();
}

void Supervisor::drop_input() {
  input_size_ = 0;
  if (!request_.terminal) launched_.stdio.in.reset();
}

void Supervisor::close_input(bool spawner) {
  // A container started with its input attached gets the end of that input; one that was started detached keeps its
  // stdin open for the next who attaches. A terminal stays open: there the end is typed.
  if (!spawner || request_.terminal) return;
  close_input_ = true;
  write_input();
}

void Supervisor::resize(std::uint16_t rows, std::uint16_t columns) {
  winsize w{};
  w.ws_row = rows;
  w.ws_col = columns;
  if (request_.terminal && launched_.stdio.terminal) ::ioctl(launched_.stdio.terminal.get(), TIOCSWINSZ, &w);
}

void Supervisor::reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == helper_) helper_ = 0;
    if (pid == ports_.carrier()) ports_.carrier_ended(status);
    if (pid == checker_) end_check(status);
    if (pid != launched_.process.pid || exited_) continue;
    exited_ = true;
    exit_time_ = monotonic_ns();
    status_.finished = now();
    status_.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    ports_.close();  // before anybody hears of the end: the next start wants them
    terminal_peer_.reset();
    drop_input();
  }
  if (exited_ && pid == 0) end_others();
}

void Supervisor::plan_check() {
  const HealthTimes& h = request_.health;
  std::int64_t now = monotonic_ns();
  bool early = is_starting_ && now - start_time_ < h.start_period_ms * millisecond;
  next_check_ = now + (early ? h.start_interval_ms : h.interval_ms) * millisecond;
}

void Supervisor::start_check() {
  checker_ = run_verb(request_.health.verb);
  next_check_ = 0;
  if (checker_ == 0) plan_check();
}

void Supervisor::end_check(int status) {
  checker_ = 0;
  int answer = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (answer == 0 || answer == 1) is_starting_ = false;
  plan_check();
}

/// The container ends with its first process. In a pid namespace the kernel sees to that; without one (--pid host, host
/// runtime) its orphans are our children by now, as we are their subreaper.
void Supervisor::end_others() {
  std::string path = fmt::format("/proc/self/task/{}/children", ::getpid());
  std::string text = read_file(path).value_or("");
  for (const auto& word : split(text, ' ')) {
    auto pid = static_cast<pid_t>(parse_u64(word).value_or(0));
    if (pid > 0 && pid != helper_ && pid != checker_ && pid != ports_.carrier()) ::kill(pid, SIGKILL);
  }
}

/// After the exit: what is left in the pipes first, then the record, then the word to the clients.
void Supervisor::settle() {
  std::int64_t since = monotonic_ns() - exit_time_;
  if (since >= drain_limit && pending_ == 0)
    for (Output* o : {&out_, &err_}) {
      if (o->fd) o->fd->reset();
      o->fd = nullptr;
    }
  if (!drained() && since < record_after) return;
  if (drained() && log_) log_->finish(status_.finished);
  record_exit();
  // A reader that takes its time gets all of it, but nobody else waits for that.
  if (drained() && !told_) tell_exit();
  if (!awaits_release()) tidy_up();
}

/// A spawner that is stopped, or does not read, is not waited for.
bool Supervisor::awaits_release() const {
  return !request_.release_dir.empty() && !released_ && told_ && clients_.has_spawner() &&
         monotonic_ns() - exit_time_ < record_after;
}

void Supervisor::tell_exit() {
  told_ = true;
  listener_.reset();  // who comes now finds the status file
  std::string frame(1, static_cast<char>(ToClient::exited));
  frame += encode_status(status_);
  if (!clients_.broadcast(ToClient::exited, frame)) return;
  std::memcpy(frame_start, frame.data(), frame.size());
  pending_ = frame.size();
}

void Supervisor::record_exit() {
  if (recorded_) return;
  recorded_ = true;
  decide();
  try {
    plan_ = read_file(request_.run_dir + "/" + plan_name, 64U << 20U).value_or("");
    if (!plan_.empty()) status_.oom_killed = launcher_.oom_killed(plan_);
  } catch (const Error&) {
    // The cgroup is gone already (somebody removed the container by force): not known to be out of memory.
  }
  try {
    write_file(request_.run_dir + "/" + status_name, encode_status(status_));
  } catch (const Error&) {
    // run_dir was removed under us or the disk is full: the clients are told all the same.
  }
  write_events();
}

void Supervisor::write_events() {
  if (request_.events.path.empty()) return;
  std::string members = request_.events.members;
  try {
    members = read_file(request_.run_dir + "/" + event_members_name).value_or(members);  // it has another name since
  } catch (const Error&) {
    // The old name is better than no event.
  }
  std::string lines;
  if (status_.oom_killed) lines = event_line(status_.finished, "container", "oom", request_.id, members);
  std::int64_t seconds = (exit_time_ - start_time_) / (1000 * millisecond);
  lines += event_line(status_.finished, "container", "die", request_.id,
                      fmt::format(R"({}{}"exitCode":"{}","execDuration":"{}")", members, members.empty() ? "" : ",",
                                  status_.exit_code, seconds));
  append_lines(request_.events.path, lines);
}

void Supervisor::tidy_up() {
  if (tidied_) return;
  tidied_ = true;
  if (status_.phase == Phase::restarting) return;
  if (!released_ || request_.release_by_verb || !tidy_released()) run_verb(request_.after_exit);
}

/// The record is gone, so this needs no database, and no program has to be started for it. The folder that tells of the
/// container goes last: a clear-up that was killed is found by it (LocalEngine::drop_orphans).
bool Supervisor::tidy_released() {
  try {
    if (!plan_.empty()) launcher_.clean_up(plan_);
    remove_tree(request_.release_dir);
    remove_tree(request_.run_dir);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace servin::shim
