// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/exec.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/capabilities.h"
#include "linux/mounts.h"
#include "linux/process.h"
#include "os/path_open.h"
#include "runtime/linux/cgroup.h"
#include "runtime/linux/handshake.h"
#include "runtime/linux/init_record.h"

namespace servin::runtime {
namespace {

constexpr std::uint32_t all_namespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;

Error not_running() { return Error(ErrorCode::conflict, "the container is not running").with_id("E-NOT-RUNNING"); }

// The container's view of its files, looked at from outside: a descriptor of its root folder.
Fd container_root(const ProcessId& container) {
  Fd root(::open(fmt::format("/proc/{}/root", container.pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // The pid may have become somebody else's between the caller's look and ours.
  if (!root || !is_alive(container)) throw not_running();
  return root;
}

// A name wins over an earlier one: -e over the container's own environment.
std::vector<std::string> merge_env(std::vector<std::string> env, const std::vector<std::string>& added) {
  for (const auto& entry : added) {
    std::string name = entry.substr(0, entry.find('=') + 1);
    if (name.empty()) continue;
    std::erase_if(env, [&](const std::string& known) { return known.starts_with(name); });
    env.push_back(entry);
  }
  return env;
}

struct Terminal {
  Fd master, slave;
};

Terminal open_terminal(const Fd& root, const ExecOptions& options) {
  Terminal t;
  t.master = open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  struct stat st{};
  // The container's root can put anything there.
  bool real = kernel::filesystem_magic(t.master) == DEVPTS_SUPER_MAGIC && ::fstat(t.master.get(), &st) == 0 &&
              S_ISCHR(st.st_mode) && st.st_rdev == gnu_dev_makedev(5, 2);
  if (!real) throw Error(ErrorCode::permission_denied, "/dev/pts/ptmx of the container is no terminal multiplexer");
  int flags = ::fcntl(t.master.get(), F_GETFL);
  ::fcntl(t.master.get(), F_SETFL, flags & ~O_NONBLOCK);
  int unlock = 0;
  if (::ioctl(t.master.get(), TIOCSPTLCK, &unlock) != 0) throw_errno("unlock the terminal");
  t.slave = Fd(::ioctl(t.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!t.slave) throw_errno("open the terminal");
  winsize size{};
  size.ws_row = options.rows;
  size.ws_col = options.columns;
  if (options.rows != 0) ::ioctl(t.master.get(), TIOCSWINSZ, &size);
  return t;
}

class Execution {
 public:
  Execution(std::string_view plan_bytes, const ProcessId& container, const ExecSpec& spec, const ExecOptions& options)
      : plan_(LaunchPlan::parse(plan_bytes)), container_(container), spec_(spec), options_(options) {}

  Launched run() {
    // What is about to be in the container's reach must not be looked into.
    kernel::forbid_dump();
    open_target();
    root_ = container_root(container_);
    if (spec_.args.empty() || spec_.args[0].empty()) throw Error(ErrorCode::invalid_argument, "no command to execute");
    user_ = resolve_user_in(root_, spec_.user.empty() ? launch_user() : spec_.user, plan_.groups);
    open_stdio();
    doors_ = open_cgroups(plan_.cgroups);
    Fd record = make_record();
    return start(record);
  }

 private:
  // One pidfd joins all namespaces at once (Linux 5.8). Without pidfds their files are opened one by one; that the
  // process is still the same is looked at afterwards, by container_root().
  void open_target() {
    try {
      auto pidfd = open_pidfd(container_);
      if (!pidfd) throw not_running();
      targets_.push_back(std::move(*pidfd));
    } catch (const Error& e) {
      if (e.sys_errno() != ENOSYS && e.sys_errno() != EPERM) throw;
      // The mount namespace last: with it goes our /proc.
      for (const char* ns : {"pid", "uts", "ipc", "net", "cgroup", "mnt"})
        targets_.push_back(open_file(fmt::format("/proc/{}/ns/{}", container_.pid, ns), O_RDONLY));
    }
  }

  const std::string& working_dir() const { return spec_.cwd.empty() ? plan_.cwd : spec_.cwd; }
  std::string launch_user() const {
    if (!plan_.user.empty() || (plan_.uid == 0 && plan_.gid == 0)) return plan_.user;
    return fmt::format("{}:{}", plan_.uid, plan_.gid);
  }

  void open_stdio() {
    if (spec_.terminal) {
      Terminal t = open_terminal(root_, options_);
      launched_.stdio.terminal = std::move(t.master);
      slave_ = std::move(t.slave);
      own(slave_);
      return;
    }
    if (options_.open_stdin) {
      Pipe p = make_pipe();
      in_ = std::move(p.read);
      launched_.stdio.in = std::move(p.write);
      own(in_);
    } else {
      in_ = open_file("/dev/null", O_RDONLY);
    }
    Pipe out = make_pipe(), err = make_pipe();
    out_ = std::move(out.write);
    err_ = std::move(err.write);
    own(out_);
    own(err_);
    launched_.stdio.out = std::move(out.read);
    launched_.stdio.err = std::move(err.read);
  }

  // So that the user can open /dev/stdout again.
  void own(const Fd& fd) {
    if (::fchown(fd.get(), user_.uid, static_cast<gid_t>(-1)) != 0 && errno != EPERM && errno != EINVAL)
      throw_errno("give the streams to the user");
  }

  Fd make_record() {
    InitRecord r = process_record(plan_, user_, spec_.args, merge_env(plan_.env, spec_.env), working_dir());
    r.header.mode = init::Mode::exec;
    r.header.next_number = 1;
    r.header.terminal = slave_ ? 1 : 0;
    r.header.new_session = 1;
    r.header.has_oom_score_adj = plan_.has_oom_score_adj ? 1 : 0;
    r.header.oom_score_adj = plan_.oom_score_adj;
    if (targets_.size() == 1) r.header.namespaces = all_namespaces;
    r.header.namespace_count = static_cast<std::uint32_t>(targets_.size());
    r.header.tasks_count = static_cast<std::uint32_t>(doors_.tasks.size());
    if (spec_.privileged) {
      r.header.caps = kernel::bounding_caps() & kernel::effective_caps();
      r.seccomp.clear();
    }
    return make_memfd("servin-record", r.bytes(), false);
  }

  Launched start(const Fd& record) {
    SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
    Fd program = init_program();
    std::vector<int> fds = stdio();
    for (int fd : {pair.b.get(), record.get()}) fds.push_back(fd);
    for (const auto& target : targets_) fds.push_back(target.get());
    for (const auto& door : doors_.tasks) fds.push_back(door.get());
    pid_t helper = doors_.v2 ? fork_into_cgroup(program, fds) : borrow(program, fds);
    pair.b.reset();
    for (Fd* fd : {&slave_, &in_, &out_, &err_}) fd->reset();
    try {
      talk(pair.a);
    } catch (...) {
      reap(helper);
      reap(launched_.process.pid);
      throw;
    }
    reap(helper);
    if (!launched_.pidfd) throw Error(ErrorCode::internal, "servin-init ended without a word");
    return std::move(launched_);
  }

  // The helper borrows our memory until it executes servin-init, and touches none of it.
  static pid_t borrow(const Fd& program, const std::vector<int>& fds) {
    pid_t helper = ::vfork();  // NOLINT(bugprone-unsafe-functions): posix_spawn cannot execute a descriptor
    if (helper == 0) {
      execute_init(program.get(), fds.data(), static_cast<int>(fds.size()));
      ::_exit(125);
    }
    if (helper < 0) throw_errno("start a process");
    return helper;
  }

  // v2: born in the cgroup, since moving there costs a grace period of the kernel.
  pid_t fork_into_cgroup(const Fd& program, const std::vector<int>& fds) const {
    kernel::CloneResult helper = kernel::clone_process(0, &doors_.v2);
    if (helper.pid == 0) {
      execute_init(program.get(), fds.data(), static_cast<int>(fds.size()));
      ::_exit(125);
    }
    return helper.pid;
  }

  std::vector<int> stdio() const {
    if (slave_) return {slave_.get(), slave_.get(), slave_.get()};
    return {in_.get(), out_.get(), err_.get()};
  }

  void talk(Fd& socket) {
    Handshake handshake(std::move(socket));
    while (auto message = handshake.receive(spec_.args[0], working_dir())) {
      if (message->kind != init::MessageKind::joined || launched_.pidfd)
        throw Error(ErrorCode::internal, "handshake: a message came that has no place here");
      launched_.pidfd = std::move(message->fd);
      launched_.process = identify(message->pid).value_or(ProcessId{message->pid, 0});
    }
  }

  static void reap(pid_t pid) {
    if (pid <= 0) return;
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  }

  LaunchPlan plan_;
  ProcessId container_;
  const ExecSpec& spec_;
  const ExecOptions& options_;
  std::vector<Fd> targets_;  // one pidfd, or the files of the namespaces
  Fd root_, slave_, in_, out_, err_;
  User user_;
  CgroupDoors doors_;
  Launched launched_;
};

}  // namespace

Launched exec(std::string_view plan_bytes, const ProcessId& container, const ExecSpec& spec,
              const ExecOptions& options) {
  return Execution(plan_bytes, container, spec, options).run();
}

}  // namespace servin::runtime
