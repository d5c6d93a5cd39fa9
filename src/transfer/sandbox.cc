// SPDX-License-Identifier: Apache-2.0
#include "transfer/sandbox.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "os/fd.h"

namespace servin::transfer {

namespace {

// Ids from here on belong to nobody: above what adduser, systemd and the usual /etc/subuid ranges give away. One for
// each process, so that two of them have nothing to do with each other.
constexpr uid_t first_id = 0x7C000000;
constexpr uid_t id_mask = 0x00FFFFFF;

void drop_root() {
  if (::geteuid() != 0) return;
  for (unsigned long cap = 0; ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
    if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) throw_errno("drop capability {}", cap);
  }
  uid_t id = first_id + (static_cast<uid_t>(::getpid()) & id_mask);
  if (::setgroups(0, nullptr) != 0) throw_errno("drop the groups");
  if (::setresgid(id, id, id) != 0) throw_errno("become group {}", id);
  if (::setresuid(id, id, id) != 0) throw_errno("become user {}", id);
}

void limit() {
  auto set = [](__rlimit_resource what, rlim_t value) {
    rlimit limit{value, value};
    if (::setrlimit(what, &limit) != 0) throw_errno("set a resource limit");
  };
  set(RLIMIT_CORE, 0);
  set(RLIMIT_FSIZE, 0);  // pipes and sockets are no files
  set(RLIMIT_NOFILE, 256);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  set(RLIMIT_AS, 1U << 30U);
#endif
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

constexpr std::array readable = {"/usr/lib",
                                 "/lib",
                                 "/lib64",
                                 "/usr/lib64",
                                 "/etc",
                                 "/usr/share/ca-certificates",
                                 "/usr/local/share/ca-certificates",
                                 "/run/systemd/resolve",
                                 "/run/resolvconf",
                                 "/run/NetworkManager",
                                 "/dev/urandom"};

/// Landlock ABI 1: all rights over files are handled, and only reading of the above is given.
void restrict_files() {
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs =
      LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
      LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
      LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
      LANDLOCK_ACCESS_FS_MAKE_SYM;
  Fd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules) {
    if (errno == ENOSYS || errno == EOPNOTSUPP) return;
    throw_errno("make a Landlock rule set");
  }
  for (const char* path : readable) {
    Fd at(::open(path, O_PATH | O_CLOEXEC));
    if (!at) continue;
    landlock_path_beneath_attr rule{};
    rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
    rule.parent_fd = at.get();
    if (std::string_view(path) != "/dev/urandom") rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
    if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
      throw_errno("allow reading {}", path);
  }
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) throw_errno("restrict files by Landlock");
}

constexpr std::array calls = {
    // memory, threads
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "futex", "set_robust_list", "rseq", "sched_yield",
    "sched_getaffinity", "set_tid_address", "arch_prctl", "exit", "exit_group", "gettid", "getpid", "tgkill",
    "sigaltstack", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall", "membarrier",
    "riscv_flush_icache",
    // descriptors
    "read", "readv", "write", "writev", "pread64", "lseek", "_llseek", "close", "close_range", "fcntl", "fcntl64",
    "dup", "pipe2", "eventfd2", "poll", "ppoll", "ppoll_time64", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "openat", "open", "fstat", "fstat64", "stat", "lstat", "newfstatat", "fstatat64", "statx", "access",
    "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "ioctl",
    // the network
    "socket", "socketpair", "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "send",
    "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "shutdown", "socketcall",
    // time, identity, chance
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep",
    "gettimeofday", "time", "getrandom", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "uname",
    "sysinfo", "prlimit64", "getrlimit"};

/// Everything else fails with EPERM: libraries then try something simpler, and nothing is lost by it.
[[maybe_unused]] void restrict_calls() {
  scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) throw Error(ErrorCode::internal, "make a seccomp filter");
  int failed = 0;
  auto add = [&](uint32_t action, const char* name) {
    int number = ::seccomp_syscall_resolve_name(name);
    if (number != __NR_SCMP_ERROR && ::seccomp_rule_add(filter, action, number, 0) != 0 && number >= 0) failed = 1;
  };
  for (const char* name : calls) add(SCMP_ACT_ALLOW, name);
  // clone3's flags are behind a pointer; the C library then uses clone, which may make threads only.
  add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  constexpr unsigned long threads = CLONE_VM | CLONE_THREAD;
  if (::seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, threads, threads)) !=
      0)
    failed = 1;
  ::seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
  int err = failed != 0 ? -EINVAL : ::seccomp_load(filter);
  ::seccomp_release(filter);
  if (err != 0) throw errno_error(-err, "load the seccomp filter");
}

}  // namespace

void enter_sandbox() {
  drop_root();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("give up new privileges");
  limit();
  restrict_files();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  restrict_calls();  // the sanitizers' own runtime needs more
#endif
}

}  // namespace servin::transfer
