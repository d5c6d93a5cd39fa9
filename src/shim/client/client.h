// SPDX-License-Identifier: Apache-2.0
// The engine's side of the shim: spawn one, talk to it, read what it left. The shim owns the container's stdio, log
// file and exit status; it survives the engine. One folder per container under the runtime directory holds its files
// (docs/state-layout.md):
//   plan     the launch plan            status   StatusRecord, replaced by rename      sock   unix socket for attach
//   and resize
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/process.h"

namespace servin::shim {

enum class Phase : std::uint8_t { starting = 1, running = 2, exited = 3, failed = 4 };

struct StatusRecord {
  Phase phase = Phase::starting;
  ProcessId shim;
  ProcessId process;  // the container's first process
  Time started, finished;
  std::int32_t exit_code = 0;
  bool oom_killed = false;
  std::string error;  // phase failed: message
};

/// Nothing when there is none. A damaged one throws data_loss naming the file.
std::optional<StatusRecord> read_status(const std::string& run_dir);

struct LogConfig {
  std::string path;            // "" = none
  std::uint64_t max_size = 0;  // bytes per file; 0 = no limit
  std::uint32_t max_files = 1;
};

struct SpawnRequest {
  std::string id;
  std::string run_dir;        // exists; the shim puts plan, status and sock there
  std::string plan;           // runtime::Prepared::plan
  bool host_runtime = false;  // --isolation none
  bool open_stdin = false;
  bool terminal = false;
  std::uint16_t rows = 0, columns = 0;
  LogConfig log;
  bool attached = false;  // the spawner wants the streams from the first byte
  bool attach_stdin = false;
  /// Run by the shim (argv, absolute program first) after the exit is told: the hidden verb that tidies up. Also after
  /// `durable_after_ms`: the hidden verb that makes the container's record durable.
  std::vector<std::string> after_exit;
  std::vector<std::string> after_start;
};

/// A connection that carries frames both ways.
class Client {
 public:
  enum class Kind : std::uint8_t { started = 1, failed, out, err, exited };
  struct Frame {
    Kind kind;
    std::string bytes;           // out, err
    ProcessId process;           // started
    std::int32_t exit_code = 0;  // exited
    bool oom_killed = false;
    std::optional<Error> error;  // failed
  };

  /// Returns after the shim reported started (throws its Error when it failed; then nothing of it remains but run_dir).
  static Client spawn(const SpawnRequest& request);
  /// Joins a running container. Throws conflict when there is no shim.
  static Client connect(const std::string& run_dir, bool want_stdin, bool out, bool err);

  const Fd& poll_fd() const { return socket_; }
  /// Never blocks; nothing when no whole frame is there yet; `closed()` tells the end.
  std::optional<Frame> next();
  bool closed() const { return closed_; }
  bool write_stdin(std::string_view bytes);
  void close_stdin();
  void resize(std::uint16_t rows, std::uint16_t columns);
  void signal(int number);
  const ProcessId& process() const { return process_; }

 private:
  Fd socket_;
  std::string buffer_;
  bool closed_ = false;
  ProcessId process_;
};

/// Blocks until the shim of run_dir has recorded an exit (pidfd of the shim + the status file, no polling by time), or
/// returns at once when it has. A shim that was killed: phase stays running; the engine settles it (exit code 137 or
/// 255 with a reason).
StatusRecord wait_exit(const std::string& run_dir, std::int64_t timeout_ns, bool* timed_out);

}  // namespace servin::shim
