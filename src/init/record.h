// SPDX-License-Identifier: Apache-2.0
// init/: servin-init, the program from which every container process starts. It is what the container could reach
// through /proc/PID/exe, so it is tiny, has no library, and is executed from a sealed memfd (CVE-2019-5736). This
// header is its whole interface: one flat record that the launcher leaves in a memfd, and the messages that go back.
#pragma once

#include <stdint.h>

namespace servin::init {

constexpr uint32_t record_magic = 0x53764931;

/// Descriptors at start: 0-2 are the program's, the rest is closed or close-on-exec before the program runs.
constexpr int handshake_fd = 3;
constexpr int record_fd = 4;
constexpr int first_extra_fd = 5;  // exec: pidfd or namespace files, then v1 `tasks` files

enum class Mode : uint32_t {
  run = 1,   // becomes the program
  pid1 = 2,  // stays as the first process, starts the program, forwards signals and reaps
  exec = 3,  // joins a container, then becomes the program there
};

/// Offsets count from the start of the record. Tables of strings are uint64_t[count + 1], each the offset of a
/// NUL-terminated string, the last 0; servin-init turns them into pointers in place.
struct Header {
  uint32_t magic, size;
  Mode mode;
  uint32_t next_number;  // of the handshake
  uint32_t no_new_privs, terminal, new_session, die_with_parent;
  uint32_t uid, gid, umask;
  uint32_t has_oom_score_adj;
  int32_t oom_score_adj;  // exec only: a launch writes it itself
  uint32_t gids, gid_count;
  uint32_t rlimits, rlimit_count;
  uint32_t seccomp, seccomp_count;  // struct sock_filter[]
  uint32_t args, arg_count, env, env_count;
  uint32_t cwd, path;  // strings; path: where a bare command name is looked for
  uint32_t reserved;
  uint64_t caps;
  // exec
  uint32_t namespaces;  // CLONE_NEW* of the one pidfd; 0: namespace_count files of namespaces
  uint32_t namespace_count;
  uint32_t tasks_count;
  uint32_t reserved2;
};

struct Rlimit {
  uint32_t resource, reserved;
  uint64_t soft, hard;
};

/// Messages over the handshake socket (SOCK_SEQPACKET), numbered from 1 in each launch.
enum class MessageKind : uint32_t {
  error = 1,     // launcher: a servin::Error as a record
  failure = 2,   // servin-init: struct Failure
  terminal = 3,  // launcher: the pty's master comes along
  ready = 4,     // launcher: everything is set up; waits for an answer
  joined = 5,    // servin-init: the process in the container has this pid; its pidfd comes along
};

struct MessageHead {
  MessageKind kind;
  uint32_t number;
};

enum class Step : uint32_t {
  record = 1,
  session,
  terminal,
  working_dir,
  working_dir_outside,
  limits,
  bounding,
  groups,
  gid,
  uid,
  privileges,
  capabilities,
  seccomp,
  descriptors,
  execute,
  interpreter,
  cgroup,
  namespaces,
  clone,
  oom_score,
  parent_gone,
};

struct Failure {
  MessageHead head;
  Step step;
  int32_t err;
  uint32_t detail;  // limits: the resource
};

struct Joined {
  MessageHead head;
  int32_t pid;
};

}  // namespace servin::init
