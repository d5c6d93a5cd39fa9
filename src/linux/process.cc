// SPDX-License-Identifier: Apache-2.0
#include "linux/process.h"

#include <cerrno>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <linux/sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/error.h"

namespace servin::kernel {
namespace {

// clone3 is missing before Linux 5.3 and is refused by filters that cannot look into its argument.
CloneResult old_clone(std::uint64_t flags) {
  int pidfd = -1;
  unsigned long all = static_cast<unsigned long>(flags) | CLONE_PIDFD | SIGCHLD;
  long pid = ::syscall(SYS_clone, all, nullptr, &pidfd, nullptr, nullptr);
  if (pid < 0) throw_errno("start a process in new namespaces");
  if (pid == 0) return {};
  return {static_cast<pid_t>(pid), Fd(pidfd)};
}

}  // namespace

CloneResult clone_process(std::uint64_t flags, const Fd* into_cgroup) {
  int pidfd = -1;
  clone_args args{};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (into_cgroup != nullptr) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(into_cgroup->get());
  }
  long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) return {};
  if (pid > 0) return {static_cast<pid_t>(pid), Fd(pidfd)};
  if (errno != ENOSYS && errno != EPERM) throw_errno("start a process in new namespaces");
  if (into_cgroup != nullptr) throw Error(ErrorCode::unsupported, "this kernel cannot start a process in a cgroup");
  return old_clone(flags);
}

void join_namespaces(const Fd& fd, int flags, const std::string& what) {
  if (::setns(fd.get(), flags) != 0) throw_errno("join {}", what);
}

void unshare_namespaces(int flags, const std::string& what) {
  if (::unshare(flags) != 0) throw_errno("unshare {}", what);
}

void forbid_dump() {
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) throw_errno("forbid looking into this process");
}

void bring_up_loopback() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw_errno("loopback interface");
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw_errno("loopback interface");
}

}  // namespace servin::kernel
