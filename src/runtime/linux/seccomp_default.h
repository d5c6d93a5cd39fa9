// SPDX-License-Identifier: Apache-2.0
// The built-in seccomp profile as data, in the shape that docker made the industry's: an allow list, more of it by
// capability, three calls that are looked into. What is denied answers EPERM; what this table does not know yet answers
// ENOSYS, so that programs fall back. Names that a machine does not have mean nothing there.
//
// Differences from docker: only the machine's own calls (32-bit and x32 entries answer ENOSYS: the old socketcall
// cannot be filtered by address family, which AF_ALG and AF_VSOCK need).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace servin::runtime::seccomp_lists {

// clang-format off
constexpr std::array<std::string_view, 306> always = {
    "accept", "accept4", "access", "adjtimex", "alarm", "arch_prctl", "bind", "brk", "cachestat", "capget", "capset",
    "chdir", "chmod", "chown", "clock_adjtime", "clock_getres", "clock_gettime", "clock_nanosleep", "close",
    "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd",
    "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fallocate",
    "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync",
    "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate",
    "futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "futimesat", "get_robust_list",
    "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups",
    "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
    "getresuid", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid",
    "getxattr", "getxattrat", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
    "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit", "ioctl", "ioprio_get", "ioprio_set",
    "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lgetxattr", "link",
    "linkat", "listen", "listmount", "listxattr", "listxattrat", "llistxattr", "lremovexattr", "lseek", "lsetxattr",
    "lstat", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir",
    "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "modify_ldt", "mprotect", "mq_getsetattr",
    "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "mremap", "mseal", "msgctl", "msgget",
    "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "name_to_handle_at", "nanosleep", "newfstatat",
    "open", "openat", "openat2", "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc",
    "pkey_free", "pkey_mprotect", "poll", "ppoll", "prctl", "pread64", "preadv", "preadv2", "prlimit64",
    "process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6", "ptrace", "pwrite64", "pwritev",
    "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "recvfrom", "recvmmsg", "recvmsg",
    "remap_file_pages", "removexattr", "removexattrat", "rename", "renameat", "renameat2", "restart_syscall", "rmdir",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget",
    "semop", "semtimedop", "sendfile", "sendmmsg", "sendmsg", "sendto", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid", "setpriority",
    "setregid", "setresgid", "setresuid", "setreuid", "setrlimit", "setsid", "setsockopt", "setuid", "setxattr",
    "setxattrat", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4",
    "socketpair", "splice", "stat", "statfs", "statmount", "statx", "symlink", "symlinkat", "sync", "sync_file_range",
    "sync_file_range2", "syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    "times", "tkill", "truncate", "umask", "uname", "unlink", "unlinkat", "uretprobe", "utime", "utimensat", "utimes",
    "vfork", "vmsplice", "wait4", "waitid", "write", "writev"
};
constexpr std::array<std::string_view, 1> with_dac_read_search = {
    "open_by_handle_at"
};
constexpr std::array<std::string_view, 25> with_sys_admin = {
    "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie",
    "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mount", "mount_setattr", "move_mount", "open_tree",
    "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "syslog", "umount2",
    "unshare"
};
constexpr std::array<std::string_view, 1> with_sys_boot = {
    "reboot"
};
constexpr std::array<std::string_view, 1> with_sys_chroot = {
    "chroot"
};
constexpr std::array<std::string_view, 3> with_sys_module = {
    "delete_module", "finit_module", "init_module"
};
constexpr std::array<std::string_view, 1> with_sys_pacct = {
    "acct"
};
constexpr std::array<std::string_view, 6> with_sys_ptrace = {
    "kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"
};
constexpr std::array<std::string_view, 2> with_sys_rawio = {
    "ioperm", "iopl"
};
constexpr std::array<std::string_view, 2> with_sys_time = {
    "clock_settime", "settimeofday"
};
constexpr std::array<std::string_view, 1> with_sys_tty_config = {
    "vhangup"
};
constexpr std::array<std::string_view, 4> with_sys_nice = {
    "get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"
};
constexpr std::array<std::string_view, 1> with_syslog = {
    "syslog"
};
constexpr std::array<std::string_view, 1> with_bpf = {
    "bpf"
};
constexpr std::array<std::string_view, 1> with_perfmon = {
    "perf_event_open"
};

struct CapGroup {
  int capability;
  std::span<const std::string_view> names;
};
constexpr std::array<CapGroup, 14> groups = {{
    {2, with_dac_read_search},
    {21, with_sys_admin},
    {22, with_sys_boot},
    {18, with_sys_chroot},
    {16, with_sys_module},
    {20, with_sys_pacct},
    {19, with_sys_ptrace},
    {17, with_sys_rawio},
    {25, with_sys_time},
    {26, with_sys_tty_config},
    {23, with_sys_nice},
    {34, with_syslog},
    {39, with_bpf},
    {38, with_perfmon},
}};
// clang-format on

// Without CAP_SYS_ADMIN: clone may make no namespaces, and clone3, whose flags a filter cannot see, is not there.
constexpr std::uint32_t namespace_flags = 0x7e020000;
// socket(2): AF_ALG (38, CVE-2026-31431) and AF_VSOCK (40, the way to a hypervisor) are refused.
constexpr std::array<std::uint32_t, 2> refused_families = {38, 40};
// personality(2): Linux, 32-bit, uname 2.6, both, and "tell me".
constexpr std::array<std::uint32_t, 5> personalities = {0, 8, 0x20000, 0x20008, 0xffffffff};

}  // namespace servin::runtime::seccomp_lists
