// SPDX-License-Identifier: Apache-2.0
#include "init/join.h"

#include <asm/fcntl.h>
#include <linux/sched.h>

#include "init/syscalls.h"

namespace servin::init {
namespace {

constexpr long e_nosys = 38, e_perm = 1;
constexpr int sigchld = 17;

// <sys/socket.h>'s structures as the kernel has them on 64-bit machines.
struct IoVector {
  const void* base;
  size_t size;
};
struct Message {
  void* name;
  uint32_t name_size;
  IoVector* parts;
  size_t part_count;
  void* control;
  size_t control_size;
  int flags;
};
struct ControlFd {
  size_t size;
  int level, type, fd, reserved;
};

long send_joined(uint32_t number, int pid, int pidfd) {
  Joined joined{{MessageKind::joined, number}, pid};
  IoVector part{&joined, sizeof joined};
  constexpr int sol_socket = 1, scm_rights = 1;
  ControlFd control{sizeof(size_t) + 3 * sizeof(int), sol_socket, scm_rights, pidfd, 0};
  Message message{};
  message.parts = &part;
  message.part_count = 1;
  message.control = &control;
  message.control_size = sizeof control;
  constexpr int no_signal = 0x4000;
  return call(__NR_sendmsg, handshake_fd, &message, no_signal);
}

// "0" is "the writer itself": for a process with one thread this needs no grace period of the kernel, unlike any
// write of a pid into cgroup.procs.
Outcome enter_v1_cgroups(uint32_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (long rc = call(__NR_write, first + i, "0", 1); rc < 0) return {Step::cgroup, -rc, i};
  }
  return {};
}

Outcome set_oom_score(const Header& h) {
  if (h.has_oom_score_adj == 0) return {};
  constexpr int at_fdcwd = -100;
  long fd = call(__NR_openat, at_fdcwd, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return {Step::oom_score, -fd};
  char text[8];
  size_t n = sizeof text;
  int32_t value = h.oom_score_adj;
  uint32_t digits = static_cast<uint32_t>(value < 0 ? -value : value);
  do {
    text[--n] = static_cast<char>('0' + digits % 10);
    digits /= 10;
  } while (digits != 0);
  if (value < 0) text[--n] = '-';
  long rc = call(__NR_write, fd, &text[n], sizeof text - n);
  call(__NR_close, fd);
  if (rc < 0) return {Step::oom_score, -rc};
  return {};
}

Outcome enter_namespaces(const Header& h) {
  if (h.namespaces != 0) {
    if (long rc = call(__NR_setns, first_extra_fd, h.namespaces); rc < 0) return {Step::namespaces, -rc};
    return {};
  }
  for (uint32_t i = 0; i < h.namespace_count; ++i) {
    if (long rc = call(__NR_setns, first_extra_fd + i, 0); rc < 0) return {Step::namespaces, -rc, i};
  }
  return {};
}

// 0 in the new process. A sibling (CLONE_PARENT): our caller is its parent and learns its exit status.
long clone_sibling(int* pidfd) {
  clone_args args{};
  args.flags = CLONE_PARENT | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  // The exit signal of a CLONE_PARENT child is that of its maker and must be 0 here.
  long pid = call(__NR_clone3, &args, sizeof args);
  if (pid == -e_nosys || pid == -e_perm)
    pid = call(__NR_clone, CLONE_PARENT | CLONE_PIDFD | sigchld, nullptr, pidfd, nullptr, nullptr);
  return pid;
}

}  // namespace

Outcome join_container(const Record& r) {
  const Header& h = *r.header;
  uint32_t namespace_fds = h.namespaces != 0 ? 1 : h.namespace_count;
  if (Outcome o = set_oom_score(h); o.err != 0) return o;
  if (Outcome o = enter_v1_cgroups(first_extra_fd + namespace_fds, h.tasks_count); o.err != 0) return o;
  return enter_namespaces(h);
}

SiblingResult start_sibling(uint32_t number) {
  // The new process waits until it has been announced, so that its own messages come after that one.
  int gate[2] = {-1, -1};
  if (long rc = call(__NR_pipe2, &gate[0], O_CLOEXEC); rc < 0) return {{Step::clone, -rc}};
  int pidfd = -1;
  long pid = clone_sibling(&pidfd);
  if (pid < 0) return {{Step::clone, -pid}};
  if (pid == 0) {
    call(__NR_close, gate[1]);
    char end = 0;
    call(__NR_read, gate[0], &end, 1);  // ends when the other side is closed by exit
    call(__NR_close, gate[0]);
    return {{}, true};
  }
  if (long rc = send_joined(number, static_cast<int>(pid), pidfd); rc < 0) return {{Step::clone, -rc}};
  return {};
}

}  // namespace servin::init
