// SPDX-License-Identifier: Apache-2.0
// clone with namespaces and a pidfd, setns, and the few prctl(2) calls that the runtime needs.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "os/fd.h"

namespace servin::kernel {

struct CloneResult {
  pid_t pid = 0;  // 0 in the child
  Fd pidfd;       // parent only
};
/// fork with namespaces (CLONE_NEW*) and a pidfd. clone3 (Linux 5.3) where it is there; else clone(2), which cannot
/// enter a cgroup: `into_cgroup` (a v2 folder) is then an Error{unsupported}. The caller must have one thread.
CloneResult clone_process(std::uint64_t flags, const Fd* into_cgroup);
/// `fd`: a namespace file, or a pidfd with several CLONE_NEW* bits (Linux 5.8).
void join_namespaces(const Fd& fd, int flags, const std::string& what);
void unshare_namespaces(int flags, const std::string& what);
/// Nobody without ptrace rights over all of the system can look into this process from now on.
void forbid_dump();
/// Brings the loopback interface of the current network namespace up.
void bring_up_loopback();

}  // namespace servin::kernel
