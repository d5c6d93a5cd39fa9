// SPDX-License-Identifier: Apache-2.0
#include "init/identity.h"

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>

#include "init/syscalls.h"

namespace servin::init {
namespace {

constexpr long e_noent = 2, e_acces = 13, e_notdir = 20, e_inval = 22, e_nametoolong = 36, e_loop = 40;
constexpr uint64_t cap_sys_admin = uint64_t{1} << CAP_SYS_ADMIN;

long set_capabilities(uint64_t set) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = static_cast<uint32_t>(set);
  data[1].effective = data[1].permitted = static_cast<uint32_t>(set >> 32);
  return call(__NR_capset, &header, &data[0]);
}

uint64_t permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (call(__NR_capget, &header, &data[0]) < 0) return 0;
  return data[0].permitted | (static_cast<uint64_t>(data[1].permitted) << 32);
}

Outcome drop_bounding(uint64_t keep) {
  for (long cap = 0; cap < 64; ++cap) {
    if ((keep >> cap & 1) != 0) continue;
    long rc = call(__NR_prctl, PR_CAPBSET_DROP, cap);
    if (rc == -e_inval) break;  // beyond the last one that this kernel knows
    if (rc < 0) return {Step::bounding, -rc, static_cast<uint32_t>(cap)};
  }
  call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  return {};
}

Outcome become_user(const Record& r) {
  const Header& h = *r.header;
  // The permitted set survives setuid; it is cut down below.
  if (long rc = call(__NR_prctl, PR_SET_KEEPCAPS, 1); rc < 0) return {Step::privileges, -rc};
  if (long rc = call(__NR_setgroups, h.gid_count, r.at<uint32_t>(h.gids)); rc < 0) return {Step::groups, -rc};
  if (long rc = call(__NR_setresgid, h.gid, h.gid, h.gid); rc < 0) return {Step::gid, -rc};
  if (long rc = call(__NR_setresuid, h.uid, h.uid, h.uid); rc < 0) return {Step::uid, -rc};
  return {};
}

// A user other than root gets capabilities by execve only, which means none.
uint64_t last_capabilities(const Header& h) { return h.uid == 0 ? h.caps & permitted_capabilities() : 0; }

Outcome load_seccomp(const Record& r) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(r.header->seccomp_count);
  program.filter = r.at<sock_filter>(r.header->seccomp);
  if (long rc = call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program); rc < 0) return {Step::seccomp, -rc};
  return {};
}

bool has_slash(const char* text) {
  for (; *text != 0; ++text)
    if (*text == '/') return true;
  return false;
}

// "dir/name" into buffer; false when it does not fit.
bool join_path(char* buffer, size_t size, const char* dir, size_t dir_size, const char* name) {
  size_t n = 0;
  if (dir_size == 0) buffer[n++] = '.';  // an empty part of PATH is the working folder
  for (size_t i = 0; i < dir_size && n < size; ++i) buffer[n++] = dir[i];
  if (n < size) buffer[n++] = '/';
  for (; *name != 0 && n < size; ++name) buffer[n++] = *name;
  if (n >= size) return false;
  buffer[n] = 0;
  return true;
}

// ENOENT of a file that is there means that its interpreter is not.
Outcome failed_execve(const char* path, long err) {
  constexpr int at_fdcwd = -100;
  if (err == e_noent && call(__NR_faccessat, at_fdcwd, path, 0) == 0) return {Step::interpreter, err};
  return {Step::execute, err};
}

}  // namespace

void reset_signals() {
  struct {
    uint64_t handler = 0, flags = 0, restorer = 0, mask = 0;
  } action;
  for (long signal = 1; signal <= 64; ++signal) call(__NR_rt_sigaction, signal, &action, 0, 8);
  uint64_t none = 0;
  constexpr int set_mask = 2;
  call(__NR_rt_sigprocmask, set_mask, &none, 0, 8);
}

Outcome enter_session(const Header& h) {
  if (h.new_session != 0) call(__NR_setsid);  // fails when we lead a session already, which is as good
  if (h.terminal != 0) {
    if (long rc = call(__NR_ioctl, 0, TIOCSCTTY, 0); rc < 0) return {Step::terminal, -rc};
  }
  return {};
}

Outcome enter_working_dir(const Record& r) {
  if (long rc = call(__NR_chdir, r.at<char>(r.header->cwd)); rc < 0) return {Step::working_dir, -rc};
  // A folder that is not below the root (WORKDIR /proc/self/fd/N, CVE-2024-21626) has no path: the kernel says ENOENT
  // or "(unreachable)/...".
  static char path[4096];
  long rc = call(__NR_getcwd, &path[0], sizeof path);
  if (rc < 0) return {Step::working_dir_outside, -rc};
  if (path[0] != '/') return {Step::working_dir_outside, e_noent};
  return {};
}

Outcome apply_limits(const Record& r) {
  const auto* limits = r.at<Rlimit>(r.header->rlimits);
  for (uint32_t i = 0; i < r.header->rlimit_count; ++i) {
    uint64_t pair[2] = {limits[i].soft, limits[i].hard};
    if (long rc = call(__NR_prlimit64, 0, limits[i].resource, &pair[0], nullptr); rc < 0)
      return {Step::limits, -rc, limits[i].resource};
  }
  return {};
}

Outcome apply_identity(const Record& r) {
  const Header& h = *r.header;
  if (Outcome o = drop_bounding(h.caps); o.err != 0) return o;
  if (Outcome o = become_user(r); o.err != 0) return o;
  if (h.no_new_privs != 0) {
    if (long rc = call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1); rc < 0) return {Step::privileges, -rc};
  }
  // Without no_new_privs only CAP_SYS_ADMIN may load a filter.
  bool filter = h.seccomp_count != 0 && h.no_new_privs == 0;
  if (long rc = set_capabilities(last_capabilities(h) | (filter ? cap_sys_admin : 0)); rc < 0)
    return {Step::capabilities, -rc};
  return {};
}

Outcome lock_down(const Record& r) {
  if (r.header->seccomp_count == 0) return {};
  uint64_t last = last_capabilities(*r.header);
  if (Outcome o = load_seccomp(r); o.err != 0) return o;
  if (long rc = set_capabilities(last); rc < 0) return {Step::capabilities, -rc};
  return {};
}

Outcome hide_descriptors() {
  constexpr unsigned last = ~0U;
  call(__NR_close_range, first_extra_fd, last, 0);
  if (call(__NR_close_range, 3, last, CLOSE_RANGE_CLOEXEC) == 0) return {};
  // Before Linux 5.11 one by one, as far as the limit allows numbers.
  uint64_t limit[2] = {};
  constexpr long nofile = 7;
  if (call(__NR_prlimit64, 0, nofile, nullptr, &limit[0]) < 0 || limit[0] > 65536) limit[0] = 65536;
  for (uint64_t fd = 3; fd < limit[0]; ++fd) {
    constexpr int set_flags = 2, close_on_exec = 1;
    call(__NR_fcntl, fd, set_flags, close_on_exec);
  }
  return {};
}

Outcome execute(const Record& r) {
  char** args = r.strings(r.header->args);
  char** env = r.strings(r.header->env);
  if (has_slash(args[0])) {
    long rc = call(__NR_execve, args[0], args, env);
    return failed_execve(args[0], -rc);
  }
  static char path[4096];
  Outcome worst{Step::execute, e_noent};
  const char* part = r.at<char>(r.header->path);
  for (;;) {
    size_t size = 0;
    while (part[size] != 0 && part[size] != ':') ++size;
    if (args[0][0] != 0 && join_path(path, sizeof path, part, size, args[0])) {
      long err = -call(__NR_execve, &path[0], args, env);
      Outcome o = failed_execve(path, err);
      bool elsewhere = err == e_noent || err == e_notdir || err == e_nametoolong || err == e_loop;
      if (o.step == Step::interpreter || !elsewhere) worst = o;
      // A file that may not be executed is passed over, as execvp does; it is the answer only if none is found.
      if (!elsewhere && err != e_acces) return o;
      if (o.step == Step::interpreter) return o;
    }
    if (part[size] == 0) return worst;
    part += size + 1;
  }
}

}  // namespace servin::init
