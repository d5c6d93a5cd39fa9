// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/launch.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "linux/process.h"
#include "runtime/linux/cgroup.h"
#include "runtime/linux/handshake.h"
#include "runtime/linux/init_record.h"
#include "runtime/linux/launch_child.h"

namespace servin::runtime {
namespace {

// A launch that fails leaves no process and no cgroup.
class Undo {
 public:
  explicit Undo(const LaunchPlan& plan) : plan_(plan) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (done_) return;
    if (pid > 0) {
      ::kill(pid, SIGKILL);  // not reaped yet: the pid is still the child's
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
    }
    try {
      remove_cgroups(plan_.cgroups);
    } catch (const Error& e) {
      log::warn("clean up: {}", e.message());
    }
  }
  void commit() { done_ = true; }
  pid_t pid = 0;

 private:
  const LaunchPlan& plan_;
  bool done_ = false;
};

void make_stdio(const LaunchOptions& options, ChildSetup& child, Stdio& ours) {
  if (options.terminal) return;
  if (options.open_stdin) {
    Pipe in = make_pipe();
    child.in = std::move(in.read);
    ours.in = std::move(in.write);
  }
  Pipe out = make_pipe();
  child.out = std::move(out.write);
  ours.out = std::move(out.read);
  Pipe err = make_pipe();
  child.err = std::move(err.write);
  ours.err = std::move(err.read);
}

void open_namespaces(const LaunchPlan& plan, ChildSetup& child) {
  for (const auto& ns : plan.namespaces) {
    if (ns.path.empty()) continue;
    try {
      child.joins.emplace_back(ns.flag, open_file(ns.path, O_RDONLY));
    } catch (Error& e) {
      throw e.context("join a namespace");
    }
  }
  check_donors(plan);
}

std::uint64_t clone_flags(const LaunchPlan& plan) {
  std::uint64_t flags = 0;
  for (const auto& ns : plan.namespaces) {
    // The cgroup namespace comes after the cgroup is joined.
    if (ns.path.empty() && ns.flag != CLONE_NEWCGROUP) flags |= ns.flag;
  }
  return flags;
}

// Children of this process are born in the joined pid namespace until the object dies.
class PidNamespace {
 public:
  explicit PidNamespace(const ChildSetup& child) {
    for (const auto& [flag, fd] : child.joins) {
      if (flag != CLONE_NEWPID) continue;
      // The child is seen by the other container's processes from its first moment, and has all rights until it has
      // given them up: none of them may look into it, also not with CAP_SYS_PTRACE of a user namespace of theirs.
      kernel::forbid_dump();
      own_ = open_file("/proc/self/ns/pid", O_RDONLY);
      kernel::join_namespaces(fd, CLONE_NEWPID, "the pid namespace");
    }
  }
  PidNamespace(const PidNamespace&) = delete;
  PidNamespace& operator=(const PidNamespace&) = delete;
  ~PidNamespace() {
    if (own_ && ::setns(own_.get(), CLONE_NEWPID) != 0) log::warn("cannot go back to the own pid namespace");
  }

 private:
  Fd own_;
};

void talk(Handshake& handshake, const LaunchPlan& plan, const LaunchOptions& options, Launched& out) {
  while (auto message = handshake.receive(plan.args.front(), plan.cwd)) {
    if (message->kind == init::MessageKind::terminal && options.terminal && !out.stdio.terminal) {
      out.stdio.terminal = std::move(message->fd);
    } else if (message->kind == init::MessageKind::ready && options.listener != nullptr) {
      options.listener->before_exec(out.process, out.pidfd);
      handshake.send_go();
    } else {
      throw Error(ErrorCode::internal, "handshake: a message came that has no place here");
    }
  }
  if (options.terminal && !out.stdio.terminal)
    throw Error(ErrorCode::internal, "the container's first process ended before it was set up");
}

}  // namespace

Launched launch(std::string_view plan_bytes, const LaunchOptions& options) {
  return launch(LaunchPlan::parse(plan_bytes), options);
}

Launched launch(const LaunchPlan& plan, const LaunchOptions& options) {
  Undo undo(plan);
  make_cgroups(plan.cgroups);
  CgroupDoors doors = open_cgroups(plan.cgroups);
  ChildSetup child;
  child.plan = &plan;
  child.options = &options;
  child.doors = &doors;
  child.init = init_program();
  open_namespaces(plan, child);
  Launched out;
  make_stdio(options, child, out.stdio);
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
  Handshake handshake(std::move(pair.a));

  kernel::CloneResult clone;
  {
    PidNamespace joined(child);
    clone = kernel::clone_process(clone_flags(plan), doors.v2 ? &doors.v2 : nullptr);
    if (clone.pid == 0) {
      handshake = Handshake(std::move(pair.b));
      run_child(child, handshake);
    }
  }
  undo.pid = clone.pid;
  out.pidfd = std::move(clone.pidfd);
  out.process = identify(clone.pid).value_or(ProcessId{clone.pid, 0});
  pair.b.reset();
  child.in.reset();
  child.out.reset();
  child.err.reset();
  talk(handshake, plan, options, out);
  undo.commit();
  return out;
}

}  // namespace servin::runtime
