// SPDX-License-Identifier: Apache-2.0
// The engine's side of the shim: spawn one, talk to it, read what it left. The shim owns the container's stdio, log
// file and exit status; it survives the engine. One folder per container under the runtime directory holds its files
// (docs/state-layout.md):
//   plan     the launch plan            status   StatusRecord, replaced by rename      sock   unix socket for attach
//   and resize            restart, stopped  restart.h
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/process.h"

namespace servin::shim {

/// restarting: it has ended, and the shim that the record names waits to have it started again.
enum class Phase : std::uint8_t { starting = 1, running = 2, exited = 3, failed = 4, restarting = 5 };

struct StatusRecord {
  Phase phase = Phase::starting;
  ProcessId shim;
  ProcessId process;  // the container's first process
  Time started, finished;
  std::int32_t exit_code = 0;
  bool oom_killed = false;
  std::string error;           // phase failed: message
  std::uint32_t delay_ms = 0;  // phase restarting: how long this shim waits
};

/// Nothing when there is none. A damaged one throws data_loss naming the file.
std::optional<StatusRecord> read_status(const std::string& run_dir);

struct LogConfig {
  enum class Kind : std::uint8_t { file, journald, syslog };
  Kind kind = Kind::file;
  std::string path;            // file; "" = none
  std::uint64_t max_size = 0;  // bytes per file; 0 = no limit
  std::uint32_t max_files = 1;
  // journald and syslog: records go to a datagram socket, a path or ADDRESS:PORT.
  std::string address;
  std::string prefix;         // journald: the fields that every record has; syslog: "TAG[PID]: "
  std::uint8_t facility = 3;  // syslog
  bool is_set() const { return !path.empty() || !address.empty(); }
};

/// What the shim writes into the event journal about its container: nobody else is sure to see the end, or to write the
/// start before it.
struct EventConfig {
  std::string path;     // "" = nothing
  std::string before;   // whole lines, written in front of the start
  std::string members;  // base/event.h: the container's attributes
};

/// When the shim starts `verb`, whose exit code says how the container is: 0 healthy, 1 unhealthy, 2 still starting,
/// anything else not known. No verb: never.
struct HealthTimes {
  std::uint32_t interval_ms = 0;                             // between the end of a check and the next one
  std::uint32_t start_interval_ms = 0, start_period_ms = 0;  // while it is starting, within the period
  std::vector<std::string> verb;
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
  EventConfig events;
  bool attached = false;  // the spawner wants the streams from the first byte
  bool attach_stdin = false;
  bool attach_out = true, attach_err = true;  // which of the streams, when attached
  /// Run by the shim (argv, absolute program first) after the exit is told: the hidden verb that tidies up. Also, right
  /// after the start: the hidden verb that makes the container's record durable. Empty: none.
  std::vector<std::string> after_exit;
  std::vector<std::string> after_start;
  HealthTimes health;
  /// Set: the spawner waits for the end, drops the container's record and then says so (Client::release). The shim
  /// then clears away the rest itself, this folder included, and after_exit is for a spawner that goes without a word.
  std::string release_dir;
  /// After the release after_exit does the clearing away nevertheless: more than these folders has to go.
  bool release_by_verb = false;
  /// Published ports: sockets that the shim keeps open as long as the container runs, and where each of them leads
  /// ("tcp ADDRESS PORT", network/forward/forward.h; "" = nowhere). The sockets are the spawner's, of the new shim it
  /// inherits them.
  std::vector<const Fd*> port_sockets;
  std::vector<std::string> port_targets;
};

/// A connection that carries frames both ways. The spawner's connection loses nothing: while it does not read, the
/// container's writes wait, as in any pipeline. A later connection that falls megabytes behind is cut off instead
/// (closed() without `exited`), so that a forgotten client never holds up a container.
class Client {
 public:
  enum class Kind : std::uint8_t { started = 1, failed, out, err, exited };
  struct Frame {
    Kind kind = Kind::started;
    std::string bytes;           // out, err
    ProcessId process;           // started
    std::int32_t exit_code = 0;  // exited
    bool oom_killed = false;
    StatusRecord status;         // exited: all of it
    std::optional<Error> error;  // failed
  };

  /// Returns after the shim reported started (throws its Error when it failed; then nothing of it remains but run_dir).
  static Client spawn(const SpawnRequest& request);
  /// The second half of spawn(): asks a shim at the other end of `socket` (tests bring one as a fork of theirs).
  /// `shim`: that one; one that is stopped by a signal is ended, which is a timeout that names it.
  static Client start(Fd socket, const SpawnRequest& request, const ProcessId& shim = {});
  /// Joins a running container. Throws conflict when there is no shim, timeout E-SUPERVISOR-STUCK when there is one
  /// that does not answer.
  static Client connect(const std::string& run_dir, bool want_stdin, bool out, bool err);

  const Fd& poll_fd() const { return socket_; }
  /// Never blocks; nothing when no whole frame is there yet; `closed()` tells the end.
  std::optional<Frame> next();
  bool closed() const { return closed_; }
  /// False: not taken, the container does not read (poll poll_fd() for writing). What is written after the container's
  /// stdin was closed is dropped.
  bool write_stdin(std::string_view bytes);
  void close_stdin();
  void resize(std::uint16_t rows, std::uint16_t columns);
  /// After `exited`, for a spawner with a release_dir: nobody knows the container any more.
  void release();
  /// Straight to the container's first process, past whatever input is still waiting.
  void signal(int number);
  const ProcessId& process() const { return process_; }

 private:
  explicit Client(Fd socket) : socket_(std::move(socket)) {}
  /// `deadline` < 0: none.
  Frame wait_start(const std::string& id, std::int64_t deadline);
  bool send(std::string_view frame, bool wait);
  Error no_answer() const;

  Fd socket_;
  std::string buffer_;
  bool closed_ = false;
  ProcessId process_;
};

enum class WaitEnd : std::uint8_t {
  told,   // the status is the end
  late,   // time is up
  lost,   // the shim ended without a word, or was never there; the engine settles that
  stuck,  // the container's process has ended, but its shim is stopped or does not answer: nobody knows how
};
struct Waited {
  WaitEnd end = WaitEnd::lost;
  StatusRecord status;  // the last that is known
};
/// Blocks until the container of run_dir has ended; no polling by time. timeout_ns < 0: no limit.
Waited wait_exit(const std::string& run_dir, std::int64_t timeout_ns);

/// E-SUPERVISOR-STUCK: names the process and what brings it back.
Error stuck_supervisor(pid_t pid, bool stopped);

}  // namespace servin::shim
