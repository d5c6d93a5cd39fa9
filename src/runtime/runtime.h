// SPDX-License-Identifier: Apache-2.0
// Runtime: runs one OCI bundle. The engine calls prepare(), which turns the spec into a flat launch plan (bytes) after
// all checks that can be made beforehand; the shim, a small program without JSON, carries the plan out with launch()
// (runtime/launch.h of each kind).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "oci/runtime_spec.h"
#include "os/process.h"

namespace servin::runtime {

/// The root file system: an overlay to be mounted in the container's own mount namespace, so that the host sees no
/// mount of it.
struct Rootfs {
  std::vector<std::string> lowers;  // highest first
  std::string upper, work;
  bool volatile_ = false;
  std::string mount_point;
};

/// A volume whose first use copies what the image has at its place (copy-up), done by the launch before the mount.
struct CopyUp {
  std::string volume_dir;  // host folder, empty so far
  std::string target;      // path in the container
};

struct PrepareRequest {
  std::string id;  // 64 hex
  oci::RuntimeSpec spec;
  Rootfs rootfs;
  std::vector<CopyUp> copy_up;
  std::string user;  // USER as written ("postgres", "1000:1000"); resolved inside the root file system at launch
  std::vector<std::string> groups;  // --group-add, likewise
  bool init = false;                // servin-init stays as PID 1 and reaps
  bool dev_defaults = true;
  /// The network namespace that the spec names was made for this container: its settings are the container's own.
  bool own_network = false;
  /// Processes whose /proc/PID paths the spec names. They must be the same ones when the paths are opened.
  std::vector<ProcessId> donors;
};

struct Prepared {
  std::string plan;                   // for the shim
  std::vector<std::string> warnings;  // "rlimit nofile 1048576 reduced to 524288: ..."
};

/// What a container uses; 0 where the host does not count it.
struct Usage {
  std::uint64_t cpu_ns = 0;
  std::uint64_t memory = 0;        // bytes, without the page cache that is easily reclaimed
  std::uint64_t memory_limit = 0;  // 0 = none
  std::uint64_t pids = 0, pids_limit = 0;
  std::uint64_t read_bytes = 0, written_bytes = 0;
};

struct ExecSpec {
  std::vector<std::string> args, env;  // env: additions; the container's own come from its plan
  std::string user, cwd;
  bool terminal = false;
  bool privileged = false;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual Prepared prepare(const PrepareRequest& request) = 0;
  /// cgroups and whatever else a launch left outside the container's namespaces. Kills what is still inside. Safe to
  /// repeat.
  virtual void clean_up(const std::string& plan) = 0;
  virtual void pause(const std::string& plan) = 0;
  virtual void unpause(const std::string& plan) = 0;
  virtual bool is_paused(const std::string& plan) = 0;
  /// All processes of the container, as the host numbers them.
  virtual std::vector<pid_t> processes(const std::string& plan) = 0;
  virtual Usage usage(const std::string& plan) = 0;
  /// Of a running container: all of its limits, as they are to be. Throws when one cannot be had; those before it are
  /// applied then. What is returned takes the plan's place.
  virtual Prepared update(const std::string& plan, const oci::SpecResources& limits) = 0;
  /// Sends a signal to every process inside (the kill at the end of rm -f); to the first process only: os/process.h.
  virtual void kill_all(const std::string& plan, int signal) = 0;
};

/// What a launch reports (over the handshake) once the user's program has been executed, or the Error why not: code
/// not_found/E-COMMAND-NOT-FOUND
/// -> exit 127, permission_denied/E-COMMAND-NOT-EXECUTABLE -> exit 126, all others -> 125.
struct Stdio {
  // Filled by launch(): the supervisor's ends. With a terminal only `terminal` (the pty's master) is open.
  Fd in, out, err, terminal;
};
struct Launched {
  ProcessId process;
  Fd pidfd;
  Stdio stdio;
};

}  // namespace servin::runtime
