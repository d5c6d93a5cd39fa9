// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/launch.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error_record.h"
#include "base/strings.h"
#include "os/path_open.h"
#include "os/terminal.h"
#include "runtime/host/identity.h"
#include "runtime/host/merge.h"
#include "runtime/host/plan.h"
#include "runtime/host/program.h"
#include "runtime/host/root_mounts.h"

namespace servin::runtime {
namespace {

struct ChildStdio {
  Fd in, out, err;
};

void open_terminal(const HostLaunchOptions& o, Stdio& ours, ChildStdio& theirs) {
  ours.terminal.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ours.terminal || ::grantpt(ours.terminal.get()) != 0 || ::unlockpt(ours.terminal.get()) != 0)
    throw_errno("open a terminal");
  theirs.in.reset(::ioctl(ours.terminal.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!theirs.in) throw_errno("open a terminal");
  theirs.out = theirs.in.dup();
  theirs.err = theirs.in.dup();
  if (o.rows > 0 && o.columns > 0) set_window_size(ours.terminal, {o.rows, o.columns});
}

void open_stdio(const HostLaunchOptions& o, Stdio& ours, ChildStdio& theirs) {
  if (o.terminal) return open_terminal(o, ours, theirs);
  if (o.open_stdin) {
    Pipe in = make_pipe();
    theirs.in = std::move(in.read);
    ours.in = std::move(in.write);
  } else {
    theirs.in = open_file("/dev/null", O_RDONLY);
  }
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  ours.out = std::move(out.read);
  theirs.out = std::move(out.write);
  ours.err = std::move(err.read);
  theirs.err = std::move(err.write);
}

void take_stdio(const ChildStdio& stdio, bool terminal) {
  ::setsid();
  if (terminal && ::ioctl(stdio.in.get(), TIOCSCTTY, 0) != 0) throw_errno("take the terminal");
  const Fd* const all[3] = {&stdio.in, &stdio.out, &stdio.err};
  Fd high[3];
  for (int i = 0; i < 3; ++i) high[i].reset(::fcntl(all[i]->get(), F_DUPFD_CLOEXEC, 10));
  for (int i = 0; i < 3; ++i)
    if (!high[i] || ::dup2(high[i].get(), i) < 0) throw_errno("set the standard streams");
}

void reset_signals() {
  for (int s = 1; s < NSIG; ++s) ::signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_limits(const HostPlan& plan) {
  for (const ResourceLimit& l : plan.limits) {
    rlimit limit{l.soft, l.hard};
    rlimit now{};
    if (::setrlimit(static_cast<__rlimit_resource_t>(l.resource), &limit) == 0) continue;
    // Without the right to raise the hard limit: as much as there is.
    ::getrlimit(static_cast<__rlimit_resource_t>(l.resource), &now);
    limit.rlim_cur = std::min(limit.rlim_cur, now.rlim_max);
    limit.rlim_max = now.rlim_max;
    ::setrlimit(static_cast<__rlimit_resource_t>(l.resource), &limit);
  }
}

void set_default(std::vector<std::string>& env, std::string_view name, const std::string& value) {
  for (const std::string& e : env)
    if (e.starts_with(name)) return;
  env.push_back(std::string(name) + value);
}

void enter_folder(const std::string& folder, const std::string& shown) {
  ::mkdir(folder.c_str(), 0755);
  if (::chdir(folder.c_str()) != 0)
    throw errno_error(errno, "enter the working directory " + quoted(shown)).with_id("E-WORKDIR");
}

[[noreturn]] void run_in_root(HostPlan plan, const Fd& root) {
  if (::fchdir(root.get()) != 0 || ::chroot(".") != 0) throw_errno("enter the root folder");
  Identity who = look_up(plan.user, plan.groups);
  enter_folder(plan.cwd, plan.cwd);
  set_limits(plan);
  become(who);
  // A change of identity clears it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  set_default(plan.env, "HOME=", who.home);
  execute(plan.args, plan.env);
}

[[noreturn]] void run_below_folder(HostPlan plan) {
  Fd root = open_file(plan.upper, O_PATH | O_DIRECTORY);
  Fd folder = make_dirs_in_root(root, plan.cwd);
  if (::fchdir(folder.get()) != 0) throw_errno("enter the working folder {}", plan.cwd);
  set_limits(plan);
  execute_below(root, plan.upper, plan.args, plan.env);
}

[[noreturn]] void run_on_host(const HostPlan& plan) {
  enter_folder(plan.cwd, plan.cwd);
  set_limits(plan);
  execute(plan.args, plan.env);
}

/// Runs `body`, which executes the program, in a child; returns once that has happened.
template <typename Body>
Launched start(const HostLaunchOptions& options, const Body& body) {
  Launched launched;
  ChildStdio theirs;
  open_stdio(options, launched.stdio, theirs);
  Pipe report = make_pipe();
  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) throw_errno("start a process");
  if (pid == 0) {
    try {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(125);  // it ended before the line above
      reset_signals();
      take_stdio(theirs, options.terminal);
      body();
    } catch (const Error& e) {
      write_all(report.write, encode_error(e), "start report");
    }
    ::_exit(125);
  }
  report.write.reset();
  launched.process = identify(pid).value_or(ProcessId{pid, 0});
  launched.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!launched.pidfd) {
    // Without it nobody would see the end.
    int err = errno;
    ::kill(pid, SIGKILL);  // not reaped yet: the pid is still the child's
    wait_child(pid);
    throw errno_error(err, "open the process that was started");
  }
  std::string failure = read_all(report.read, 1U << 20U, "start report");  // ends with the exec
  if (failure.empty()) return launched;
  wait_child(pid);
  throw decode_error(failure);
}

}  // namespace

Launched launch_on_host(std::string_view plan_bytes, const HostLaunchOptions& options) {
  HostPlan plan = HostPlan::parse(plan_bytes);
  bool root = ::geteuid() == 0;
  bool image = !plan.mount_point.empty();
  if (image && !root) merge_layers(plan);
  if (options.terminal) set_default(plan.env, "TERM=", "xterm");
  return start(options, [&] {
    if (!image) run_on_host(plan);
    if (root) run_in_root(plan, mount_root(plan));
    run_below_folder(plan);
  });
}

Launched exec_on_host(std::string_view plan_bytes, const ProcessId& container, const ExecSpec& spec,
                      const HostLaunchOptions& options) {
  HostPlan plan = HostPlan::parse(plan_bytes);
  if (::geteuid() != 0 && !spec.user.empty())
    throw Error(ErrorCode::unsupported, "another user cannot be had without root").with_id("E-NO-ISOLATION");
  plan.args = spec.args;
  if (!spec.cwd.empty()) plan.cwd = spec.cwd;
  if (!spec.user.empty()) plan.user = spec.user;
  for (const std::string& e : spec.env) {
    std::string name = e.substr(0, e.find('=') + 1);
    std::erase_if(plan.env, [&](const std::string& old) { return old.starts_with(name); });
    plan.env.push_back(e);
  }
  if (options.terminal) set_default(plan.env, "TERM=", "xterm");
  if (plan.mount_point.empty()) return start(options, [&] { run_on_host(plan); });
  if (::geteuid() != 0) return start(options, [&] { run_below_folder(plan); });
  auto pidfd = open_pidfd(container);
  Fd root(::open(fmt::format("/proc/{}/root", container.pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // The pid may have become somebody else's between the caller's look and ours.
  if (!pidfd || !root || !is_alive(container))
    throw Error(ErrorCode::conflict, "the container is not running").with_id("E-NOT-RUNNING");
  return start(options, [&] {
    if (::setns(pidfd->get(), CLONE_NEWNS) != 0) throw_errno("join the container's mounts");
    run_in_root(plan, root);
  });
}

}  // namespace servin::runtime
