// SPDX-License-Identifier: Apache-2.0
// servin-init starts here: reads its record, becomes the program or starts it.
#include <asm/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/time_types.h>

#include "init/identity.h"
#include "init/join.h"
#include "init/reaper.h"
#include "init/syscalls.h"

// The compiler may call these for structures and loops, also in free-standing code.
extern "C" void* memset(void* to, int value, size_t size) {
  auto* p = static_cast<char*>(to);
  for (size_t i = 0; i < size; ++i) p[i] = static_cast<char>(value);
  return to;
}
extern "C" void* memcpy(void* to, const void* from, size_t size) {
  auto* p = static_cast<char*>(to);
  const auto* q = static_cast<const char*>(from);
  for (size_t i = 0; i < size; ++i) p[i] = q[i];
  return to;
}

namespace servin::init {
namespace {

[[noreturn]] void quit(int code) {
  for (;;) call(__NR_exit_group, code);
}

uint32_t next_number = 1;

[[noreturn]] void fail(Outcome o) {
  Failure f{};
  f.head = {MessageKind::failure, next_number};
  f.step = o.step;
  f.err = static_cast<int32_t>(o.err);
  f.detail = o.detail;
  call(__NR_write, handshake_fd, &f, sizeof f);
  quit(125);
}

void check(Outcome o) {
  if (o.err != 0) fail(o);
}

void relocate(const Record& r, uint32_t table, uint32_t count) {
  auto* p = r.at<uint64_t>(table);
  for (uint32_t i = 0; i < count; ++i) p[i] += reinterpret_cast<uintptr_t>(r.base);
}

Record load_record() {
  constexpr int seek_end = 2, protect_read_write = 3, map_private = 2;
  long size = call(__NR_lseek, record_fd, 0, seek_end);
  if (size < static_cast<long>(sizeof(Header))) fail({Step::record, 22});
  long at = call(__NR_mmap, nullptr, size, protect_read_write, map_private, record_fd, 0);
  if (at < 0 && at > -4096) fail({Step::record, -at});
  Record r;
  r.base = reinterpret_cast<char*>(at);  // NOLINT(performance-no-int-to-ptr): what mmap answers is a number here
  r.header = reinterpret_cast<Header*>(r.base);
  if (r.header->magic != record_magic || r.header->size != static_cast<uint32_t>(size)) fail({Step::record, 22});
  next_number = r.header->next_number;
  relocate(r, r.header->args, r.header->arg_count);
  relocate(r, r.header->env, r.header->env_count);
  call(__NR_close, record_fd);
  return r;
}

// The supervisor may have died before the signal was armed: then its end of the socket is closed.
void die_with_parent() {
  constexpr int sigkill = 9;
  call(__NR_prctl, PR_SET_PDEATHSIG, sigkill);
  struct {
    int fd;
    short events, revents;
  } poll = {handshake_fd, 0, 0};
  constexpr short hang_up = 0x10;
  struct __kernel_timespec zero{};
  call(__NR_ppoll, &poll, 1, &zero, nullptr, 8);
  if ((poll.revents & hang_up) != 0) fail({Step::parent_gone, 3});
}

// As late as possible, so that a profile may forbid what we do before. Not in a process that the container could take
// over meanwhile: the first process of --init stays and is open to it, and who has CAP_SYS_PTRACE there may trace even
// an undumpable one, with the CAP_SYS_ADMIN that loading a filter takes.
bool locks_down_early(const Header& h) {
  constexpr int cap_sys_ptrace = 19;
  return h.mode == Mode::pid1 || (h.mode == Mode::exec && (h.caps >> cap_sys_ptrace & 1) != 0);
}

[[noreturn]] void become_program(const Record& r) {
  check(execute(r));
  quit(125);
}

}  // namespace

extern "C" [[noreturn]] void servin_init_main() {
  // Before anything else, so that nobody in the container looks into this process (CVE-2016-9962).
  call(__NR_prctl, PR_SET_DUMPABLE, 0);
  Record r = load_record();
  Header& h = *r.header;
  if (h.mode == Mode::exec) check(join_container(r));
  reset_signals();
  check(hide_descriptors());
  if (h.mode != Mode::exec) check(enter_session(h));
  check(enter_working_dir(r));
  check(apply_limits(r));
  // A session keyring of its own: the caller's may hold keys of the host. Kernels without keys refuse, which is as
  // good.
  constexpr int join_session_keyring = 1;
  call(__NR_keyctl, join_session_keyring, nullptr);
  call(__NR_umask, h.umask);
  check(apply_identity(r));
  bool early = locks_down_early(h);
  if (early) check(lock_down(r));
  if (h.mode == Mode::exec) {
    SiblingResult sibling = start_sibling(h.next_number);
    check(sibling.outcome);
    if (!sibling.in_container) quit(0);
    next_number = h.next_number + 1;
    check(enter_session(h));
  }
  // After the change of user, which clears it.
  if (h.die_with_parent != 0) die_with_parent();
  if (!early) check(lock_down(r));
  if (h.mode != Mode::pid1) become_program(r);
  Reaper reaper = start_reaper(h.terminal != 0);
  check(reaper.outcome);
  if (reaper.in_child) become_program(r);
  quit(reap_until_end(reaper));
}

}  // namespace servin::init

#if defined(__x86_64__)
asm(".global _start\n_start:\n  xor %ebp, %ebp\n  and $-16, %rsp\n  call servin_init_main\n  hlt\n");
#elif defined(__aarch64__)
asm(".global _start\n_start:\n  mov x29, #0\n  mov x30, #0\n  bl servin_init_main\n  brk #1\n");
#endif
