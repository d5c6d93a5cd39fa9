// SPDX-License-Identifier: Apache-2.0
#include "network/dns/sandbox.h"

#include <algorithm>
#include <cerrno>
#include <grp.h>
#include <memory>
#include <seccomp.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/error.h"

namespace servin::dns {
namespace {

constexpr unsigned nobody = 65534;

void become_nobody() {
  if (::geteuid() != 0) return;  // tests: nothing to give up
  // The bounding set too: no program that we would start could get any back (and none can be started).
  for (int cap = 0; cap < 64 && ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap)
    ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  if (::setgroups(0, nullptr) != 0) throw_errno("give up groups");
  if (::setresgid(netd_user, netd_user, netd_user) != 0 && ::setresgid(nobody, nobody, nobody) != 0)
    throw_errno("give up the group root");
  // Leaving uid 0 clears all capability sets (capabilities(7)).
  if (::setresuid(netd_user, netd_user, netd_user) != 0 && ::setresuid(nobody, nobody, nobody) != 0)
    throw_errno("give up the user root");
}

// What is not here fails with EPERM. Killing instead would turn a C library's new way of doing an old thing into a
// network without names.
void allow_only_what_is_needed(std::initializer_list<int> more) {
  static constexpr int allowed[] = {SCMP_SYS(accept4),       SCMP_SYS(bind),        SCMP_SYS(brk),
                                    SCMP_SYS(clock_gettime), SCMP_SYS(close),       SCMP_SYS(connect),
                                    SCMP_SYS(epoll_ctl),     SCMP_SYS(epoll_wait),  SCMP_SYS(epoll_pwait),
                                    SCMP_SYS(exit),          SCMP_SYS(exit_group),  SCMP_SYS(fcntl),
                                    SCMP_SYS(flock),         SCMP_SYS(fstat),       SCMP_SYS(ftruncate),
                                    SCMP_SYS(futex),         SCMP_SYS(getdents64),  SCMP_SYS(getpid),
                                    SCMP_SYS(getrandom),     SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
                                    SCMP_SYS(lseek),         SCMP_SYS(madvise),     SCMP_SYS(mmap),
                                    SCMP_SYS(mremap),        SCMP_SYS(munmap),      SCMP_SYS(newfstatat),
                                    SCMP_SYS(openat),        SCMP_SYS(pwrite64),    SCMP_SYS(read),
                                    SCMP_SYS(recvfrom),      SCMP_SYS(recvmsg),     SCMP_SYS(restart_syscall),
                                    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sendmsg),     SCMP_SYS(sendto),
                                    SCMP_SYS(setsockopt),    SCMP_SYS(shutdown),    SCMP_SYS(statx),
                                    SCMP_SYS(stat),          SCMP_SYS(open),        SCMP_SYS(write),
                                    SCMP_SYS(gettid),        SCMP_SYS(tgkill),      SCMP_SYS(rt_sigprocmask)};
  std::unique_ptr<void, void (*)(void*)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
  if (!filter) throw Error(ErrorCode::internal, "make a system call filter");
  for (int number : allowed) ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0);
  for (int number : more) ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0);
  // Only the internet's sockets: no netlink, no raw packets, no unix sockets.
  for (scmp_datum_t family : {scmp_datum_t{AF_INET}, scmp_datum_t{AF_INET6}})
    ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, scmp_arg_cmp{0, SCMP_CMP_EQ, family, 0});
  int err = ::seccomp_load(filter.get());
  // A kernel without seccomp is no reason to have no names: the rights are gone already.
  if (err != 0 && err != -EINVAL && err != -ENOSYS) throw errno_error(-err, "load a system call filter");
}

}  // namespace

void drop_rights(bool filter, std::initializer_list<int> more) {
  become_nobody();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw_errno("forbid new privileges");
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (filter) allow_only_what_is_needed(more);
}

unsigned long raise_descriptor_limit(unsigned long wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace servin::dns
