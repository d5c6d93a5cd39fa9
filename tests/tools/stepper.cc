// SPDX-License-Identifier: Apache-2.0
// stepper: runs a command under ptrace, counts the system calls that change state outside the process (files, mounts,
// processes) over all threads and children in one global order, and kills at the N-th of them, before it happens.
//
//   stepper [--report FILE] [--whole] count -- COMMAND...
//   stepper [--report FILE] [--whole] [--who cli|caller|all|PID] kill N -- COMMAND...
//
// --whole counts until the last descendant is gone, not only until the command itself has ended.
// --who: `cli` kills the command's own process, `caller` the one whose call it is, `all` the whole tree, PID another
// one. Exit code: the command's (128+n for a signal). FILE gets lines "N PID CALL", then "events=N killed=0|1 who=PID
// call=NAME exit=CODE".
//
// A seccomp filter stops the traced calls only, so the rest runs at full speed. Such a filter makes the calls fail with
// ENOSYS once nobody traces, so this program's tracer stays, in the background, until the last descendant has ended.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

namespace {

enum class Rule : std::uint8_t { always, open_flags, open_how, regular_file };
struct Call {
  long number;
  const char* name;
  Rule rule;
};

// How long a mount lives, who owns a file, which process exists: everything that another process can see later.
#define CALL(name) {__NR_##name, #name, Rule::always}
constexpr Call calls[] = {
#ifdef __x86_64__
    {__NR_open, "open", Rule::open_flags},
    CALL(creat),
    CALL(mkdir),
    CALL(rmdir),
    CALL(rename),
    CALL(unlink),
    CALL(link),
    CALL(symlink),
    CALL(mknod),
    CALL(chmod),
    CALL(chown),
    CALL(lchown),
    CALL(fork),
    CALL(vfork),
#endif
    {__NR_openat, "openat", Rule::open_flags},
    {__NR_openat2, "openat2", Rule::open_how},
    {__NR_write, "write", Rule::regular_file},
    {__NR_pwrite64, "pwrite64", Rule::regular_file},
    {__NR_writev, "writev", Rule::regular_file},
    {__NR_pwritev, "pwritev", Rule::regular_file},
    {__NR_sendfile, "sendfile", Rule::regular_file},
    CALL(copy_file_range),
    CALL(mkdirat),
    CALL(unlinkat),
    CALL(renameat),
    CALL(renameat2),
    CALL(linkat),
    CALL(symlinkat),
    CALL(mknodat),
    CALL(truncate),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(fchown),
    CALL(fchownat),
    CALL(utimensat),
    CALL(setxattr),
    CALL(lsetxattr),
    CALL(fsetxattr),
    CALL(removexattr),
    CALL(lremovexattr),
    CALL(fremovexattr),
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(move_mount),
    CALL(open_tree),
    CALL(fsopen),
    CALL(fsconfig),
    CALL(fsmount),
    CALL(mount_setattr),
    CALL(clone),
    CALL(clone3),
    CALL(unshare),
    CALL(setns),
    CALL(execve),
    CALL(execveat),
    CALL(bind),
    CALL(kill),
    CALL(pidfd_send_signal),
    CALL(sethostname),
};
#undef CALL

constexpr std::uint32_t changing_flags = O_CREAT | O_WRONLY | O_RDWR | O_TRUNC;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "stepper: %s: %s\n", what, std::strerror(errno));
  std::_Exit(99);
}

// --- the filter ------------------------------------------------------------------------------------------------------

sock_filter statement(int code, std::uint32_t k) { return {static_cast<std::uint16_t>(code), 0, 0, k}; }
sock_filter jump(int code, std::uint32_t k, int yes, int no) {
  return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no), k};
}

/// The low half of argument `index` (little endian, as both supported machines are).
std::uint32_t argument_offset(std::size_t index) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}

void install_filter() {
  std::vector<sock_filter> program;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const Call& call : calls) {
    const auto number = static_cast<std::uint32_t>(call.number);
    if (call.rule == Rule::open_flags) {
      const std::size_t flags = std::strcmp(call.name, "open") == 0 ? 1 : 2;
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
      program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, argument_offset(flags)));
      program.push_back(jump(BPF_JMP | BPF_JSET | BPF_K, changing_flags, 0, 1));
      program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
      program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    } else {
      program.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
      program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    }
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  // Root may install it without no_new_privs, which would change what the traced program can do.
  if (::geteuid() != 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("PR_SET_NO_NEW_PRIVS");
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) fail("PR_SET_SECCOMP");
}

// --- the tracer ------------------------------------------------------------------------------------------------------

enum class Who : std::uint8_t { cli, caller, all };
struct Options {
  std::string report = "/dev/null";
  bool whole = false;
  Who who = Who::all;
  pid_t other = 0;            // or this one
  std::uint64_t kill_at = 0;  // 0 = only count
  std::vector<char*> command;
};

bool is_regular(pid_t pid, std::uint64_t fd) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, static_cast<int>(fd));
  struct stat status{};
  return ::stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool how_changes(pid_t pid, std::uint64_t address) {
  open_how how{};
  iovec local{&how, sizeof how};
  iovec remote{reinterpret_cast<void*>(address), sizeof how};  // NOLINT: an address in the traced process
  if (::process_vm_readv(pid, &local, 1, &remote, 1, 0) <= 0) return true;
  return (how.flags & changing_flags) != 0;
}

pid_t process_of(pid_t thread) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", thread);
  pid_t process = thread;
  if (std::FILE* file = std::fopen(path, "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, file))
      if (std::sscanf(line, "Tgid: %d", &process) == 1) break;
    std::fclose(file);
  }
  return process;
}

void kill_other(pid_t pid) {
  pollfd gone{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0};
  ::kill(pid, SIGKILL);
  if (gone.fd < 0 || ::poll(&gone, 1, 10'000) != 1) fail("the end of the other process");
}

class Tracer {
 public:
  Tracer(const Options& options, pid_t root, int answer) : options_(options), root_(root), answer_(answer) {
    report_ = std::fopen(options.report.c_str(), "we");
    if (!report_) fail(options.report.c_str());
    traced_.insert(root);
  }

  void run() {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) break;
      if (WIFEXITED(status) || WIFSIGNALED(status)) ended(pid, status);
      if (WIFSTOPPED(status)) stopped(pid, status);
    }
    answer();
  }

 private:
  void ended(pid_t pid, int status) {
    traced_.erase(pid);
    if (pid != root_) return;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!options_.whole) answer();
  }

  void stopped(pid_t pid, int status) {
    if (traced_.insert(pid).second && killing_all_) ::kill(pid, SIGKILL);
    const int event = status >> 16;
    const int signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_EXEC) started_ = true;
    if (event == PTRACE_EVENT_SECCOMP) {
      seccomp_stop(pid);
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      ::ptrace(PTRACE_LISTEN, pid, 0, 0);  // a group stop: stay stopped until SIGCONT
    } else {
      ::ptrace(PTRACE_CONT, pid, 0, event == 0 ? signal : 0);
    }
  }

  void seccomp_stop(pid_t pid) {
    __ptrace_syscall_info info{};
    const Call* call = nullptr;
    if (started_ && !answered_ && ::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0)
      call = matching(pid, info);
    if (call) count(pid, *call);
    ::ptrace(PTRACE_CONT, pid, 0, 0);
  }

  static const Call* matching(pid_t pid, const __ptrace_syscall_info& info) {
    for (const Call& call : calls) {
      if (static_cast<std::uint64_t>(call.number) != info.seccomp.nr) continue;
      if (call.rule == Rule::regular_file && !is_regular(pid, info.seccomp.args[0])) return nullptr;
      if (call.rule == Rule::open_how && !how_changes(pid, info.seccomp.args[2])) return nullptr;
      return &call;
    }
    return nullptr;
  }

  void count(pid_t pid, const Call& call) {
    ++events_;
    std::fprintf(report_, "%llu %d %s\n", static_cast<unsigned long long>(events_), pid, call.name);
    if (events_ != options_.kill_at) return;
    killed_call_ = call.name;
    if (options_.other != 0) return kill_other(killed_pid_ = options_.other);
    killed_pid_ = options_.who == Who::cli ? root_ : process_of(pid);
    if (options_.who != Who::all) {
      ::kill(killed_pid_, SIGKILL);
      return;
    }
    killing_all_ = true;
    for (const pid_t each : traced_) ::kill(each, SIGKILL);
  }

  /// Tells the waiting stepper; the tracer lives on without counting.
  void answer() {
    if (answered_) return;
    answered_ = true;
    std::fprintf(report_, "events=%llu killed=%d who=%d call=%s exit=%d\n", static_cast<unsigned long long>(events_),
                 killed_pid_ != 0, killed_pid_, killed_call_, exit_code_);
    std::fclose(report_);
    const auto code = static_cast<unsigned char>(exit_code_);
    if (::write(answer_, &code, 1) != 1) fail("answer");
    ::close(answer_);
    let_go_of_streams();
  }

  /// Whoever reads the command's output until its end must not wait for this process.
  static void let_go_of_streams() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
    ::close(null);
  }

  const Options& options_;
  pid_t root_;
  int answer_;
  std::FILE* report_ = nullptr;
  std::set<pid_t> traced_;
  std::uint64_t events_ = 0;
  pid_t killed_pid_ = 0;
  const char* killed_call_ = "-";
  bool started_ = false;  // the command has been executed: before that it was the stepper's own child
  bool killing_all_ = false, answered_ = false;
  int exit_code_ = 0;
};

[[noreturn]] void run_command(int go, const Options& options) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) std::_Exit(99);
  ::close(go);
  install_filter();
  ::execvp(options.command[0], options.command.data());
  fail(options.command[0]);
}

/// In the tracer's process: start the command, trace it, end with the last of its descendants.
[[noreturn]] void trace(const Options& options, int answer) {
  ::setsid();  // a signal for the caller's group is not for the tracer: its death would break what it traces
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) fail("pipe");
  const pid_t root = ::fork();
  if (root < 0) fail("fork");
  if (root == 0) {
    ::close(go[1]);
    run_command(go[0], options);
  }
  constexpr unsigned long wanted =
      PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  if (::ptrace(PTRACE_SEIZE, root, 0, wanted) != 0) fail("PTRACE_SEIZE");
  if (::write(go[1], "g", 1) != 1) fail("go");
  ::close(go[0]);
  ::close(go[1]);
  Tracer(options, root, answer).run();
  std::_Exit(0);
}

[[noreturn]] void usage() {
  std::fputs("usage: stepper [--report FILE] [--whole] [--who WHO|PID] (count | kill N) -- COMMAND...\n", stderr);
  std::_Exit(99);
}

Options parse(int argc, char** argv) {
  Options options;
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::string word = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--whole") {
      options.whole = true;
    } else if (word == "--report") {
      options.report = value;
      ++i;
    } else if (word == "--who") {
      options.who = value == "cli" ? Who::cli : value == "caller" ? Who::caller : Who::all;
      options.other = std::atoi(value.c_str());
      ++i;
    } else if (word == "kill" && std::strtoull(value.c_str(), nullptr, 10) > 0) {
      options.kill_at = std::strtoull(value.c_str(), nullptr, 10);
      ++i;
    } else if (word != "count") {
      usage();
    }
  }
  if (i + 1 >= argc) usage();
  options.command.assign(argv + i + 1, argv + argc);
  options.command.push_back(nullptr);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  int answer[2];
  if (::pipe2(answer, O_CLOEXEC) != 0) fail("pipe");
  const pid_t tracer = ::fork();
  if (tracer < 0) fail("fork");
  if (tracer == 0) {
    ::close(answer[0]);
    trace(options, answer[1]);
  }
  ::close(answer[1]);
  unsigned char code = 0;
  ssize_t got = 0;
  while ((got = ::read(answer[0], &code, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1) return code;
  std::fprintf(stderr, "stepper: the tracer ended without an answer\n");
  return 99;
}
