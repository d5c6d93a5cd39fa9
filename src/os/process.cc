// SPDX-License-Identifier: Apache-2.0
#include "os/process.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <ctime>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin {
namespace {

struct Stat {
  char state;
  std::uint64_t start;
};

std::optional<Stat> read_stat(pid_t pid) {
  int raw = ::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC);
  if (raw < 0) return std::nullopt;
  Fd fd(raw);
  char buffer[1024];
  ssize_t n = ::read(raw, buffer, sizeof buffer);
  if (n <= 0) return std::nullopt;
  std::string_view text(buffer, static_cast<std::size_t>(n));
  // The command name may hold spaces and parentheses: the fields start after the last one.
  auto close = text.rfind(')');
  if (close == std::string_view::npos) return std::nullopt;
  text.remove_prefix(close + 2);
  Stat s{text.empty() ? '?' : text[0], 0};
  for (int field = 3; field < 22; ++field) {
    auto space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text.remove_prefix(space + 1);
  }
  std::from_chars(text.data(), text.data() + text.size(), s.start);
  return s;
}

}  // namespace

std::optional<ProcessId> identify(pid_t pid) {
  auto s = read_stat(pid);
  if (!s) return std::nullopt;
  return ProcessId{pid, s->start};
}

ProcessId this_process() { return identify(::getpid()).value_or(ProcessId{::getpid(), 0}); }

bool is_alive(const ProcessId& p) {
  if (p.pid <= 0) return false;
  auto s = read_stat(p.pid);
  return s && s->start == p.start && s->state != 'Z' && s->state != 'X';
}

std::int64_t age_ns(const ProcessId& p) {
  static const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  timespec up{};
  if (::clock_gettime(CLOCK_BOOTTIME, &up) != 0) throw_errno("read the time since boot");
  constexpr std::int64_t second = 1'000'000'000;
  auto started = static_cast<std::int64_t>(p.start * (second / ticks_per_second));
  return std::max<std::int64_t>(up.tv_sec * second + up.tv_nsec - started, 0);
}

bool is_stopped(const ProcessId& p) {
  auto s = p.pid > 0 ? read_stat(p.pid) : std::nullopt;
  return s && s->start == p.start && s->state == 'T';
}

std::optional<Fd> open_pidfd(const ProcessId& p) {
  if (p.pid <= 0) return std::nullopt;
  auto raw = static_cast<int>(::syscall(SYS_pidfd_open, p.pid, 0));
  if (raw < 0) {
    if (errno == ESRCH || errno == EINVAL) return std::nullopt;
    throw_errno("open process {}", p.pid);
  }
  Fd fd(raw);
  // The descriptor holds whoever has the pid now; the start time tells whether that is the one we mean.
  auto now = identify(p.pid);
  if (!now || now->start != p.start) return std::nullopt;
  return fd;
}

bool send_signal(const Fd& pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw_errno("send signal {}", signal);
}

std::string boot_id() { return std::string(trim(read_file("/proc/sys/kernel/random/boot_id", 64).value_or(""))); }

namespace {

/// What posix_spawn is to do in the child.
struct SpawnSetup {
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

}  // namespace

pid_t spawn(const SpawnOptions& o) {
  SpawnSetup setup;
  bool given[3] = {false, false, false};
  // Descriptors move above all target numbers first, so that no dup2 lands on one that is still needed.
  std::vector<Fd> moved;
  for (const auto& [fd, number] : o.fds) {
    int high = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 64);
    if (high < 0) throw_errno("duplicate a file descriptor for {}", o.program);
    moved.emplace_back(high);
    posix_spawn_file_actions_adddup2(&setup.actions, high, number);
    if (number >= 0 && number < 3) given[number] = true;
  }
  for (int i = 0; i < 3; ++i)
    if (!given[i]) posix_spawn_file_actions_addopen(&setup.actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
  if (!o.cwd.empty()) posix_spawn_file_actions_addchdir_np(&setup.actions, o.cwd.c_str());
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &all);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (o.new_session ? POSIX_SPAWN_SETSID : 0);
  posix_spawnattr_setflags(&setup.attributes, static_cast<short>(flags));
  std::vector<char*> argv;
  for (const auto& a : o.args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (const auto& e : o.env) envp.push_back(const_cast<char*>(e.c_str()));
  envp.push_back(nullptr);
  pid_t pid = 0;
  int err = ::posix_spawn(&pid, o.program.c_str(), &setup.actions, &setup.attributes, argv.data(), envp.data());
  if (err != 0) throw errno_error(err, "start " + o.program);
  return pid;
}

ExitStatus wait_child(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw_errno("wait for process {}", pid);
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

std::string self_program() {
  char buffer[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  if (n <= 0) throw_errno("find the path of the running program");
  return std::string(buffer, static_cast<std::size_t>(n));
}

std::string companion_program(const std::string& name) {
  std::string self = self_program();
  std::string folder = self.substr(0, self.rfind('/'));
  for (const std::string& path : {folder + "/" + name, folder + "/../libexec/servin/" + name})
    if (::access(path.c_str(), X_OK) == 0) return path;
  throw error(ErrorCode::failed_precondition, "{} is missing beside {}", name, self)
      .with_id("E-INSTALL-BROKEN")
      .with_hint("install servin again; from source: ./dev build");
}

}  // namespace servin
