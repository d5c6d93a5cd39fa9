// SPDX-License-Identifier: Apache-2.0
// The loop of a running container's shim: output to log and clients, input to the container, children reaped, the exit
// recorded and told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/runtime.h"
#include "shim/client/client.h"
#include "shim/clients.h"
#include "shim/launcher.h"
#include "shim/log_writer.h"
#include "shim/port_keeper.h"

namespace servin::shim {

class Supervisor : private ClientEvents {
 public:
  struct Start {
    SpawnRequest request;
    runtime::Launched launched;
    StatusRecord status;  // running
    Fd listener;
    Fd spawner;  // closed: nobody stays attached
    std::string started_frame;
    std::vector<Fd> ports;
    pid_t helper = 0;  // the after_start verb, a child that is none of the container's
  };
  Supervisor(Start start, Launcher& launcher);

  /// Returns after the exit was recorded and told to everybody who listens, and after_exit was spawned or, of a
  /// released container, everything is gone; of one that is to be started again: when another shim has it.
  void run();

 private:
  // ClientEvents
  bool can_take_input() const override { return input_size_ == 0; }
  void input(std::string_view bytes) override;
  void close_input(bool spawner) override;
  void resize(std::uint16_t rows, std::uint16_t columns) override;
  void released() override { released_ = true; }

  struct Output {
    Fd* fd = nullptr;  // where it comes from; closed at its end
    ToClient kind = ToClient::out;
    LogWriter::Stream stream = LogWriter::Stream::out;
  };

  void set_up_streams();
  void open_log();
  void keep_terminal_open();
  void wait();
  int timeout_ms() const;
  void read_output(Output& o, bool ready);
  void offer_pending();
  void write_input();
  void drop_input();
  void reap();
  void end_others();
  void settle();
  void record_exit();
  void decide();
  bool is_check_due() const { return next_check_ != 0 && monotonic_ns() >= next_check_; }
  void plan_check();
  void start_check();
  void end_check(int status);
  void write_events();
  void tell_exit();
  bool awaits_release() const;
  void tidy_up();
  bool tidy_released();
  void start_again();
  bool is_mine() const;
  bool stopped_by_hand() const;
  void give_up();
  void sleep_ms(std::uint32_t time) const;
  bool drained() const { return !out_.fd && !err_.fd && pending_ == 0; }

  SpawnRequest request_;
  runtime::Launched launched_;
  Launcher& launcher_;
  StatusRecord status_;
  Fd listener_;
  std::string started_frame_;
  Clients clients_;
  std::optional<LogWriter> log_;
  Output out_, err_;
  Fd terminal_peer_;
  PortKeeper ports_;
  Fd children_;  // signalfd of SIGCHLD
  pid_t helper_;
  pid_t checker_ = 0;            // the health check that runs
  std::int64_t next_check_ = 0;  // monotonic; 0 = none
  bool is_starting_ = true;      // as far as its health goes

  std::size_t pending_ = 0;     // bytes of a frame that the spawner could not take yet
  std::size_t input_size_ = 0;  // bytes for the container that it could not take yet
  std::size_t input_done_ = 0;
  bool close_input_ = false;  // after the last of these bytes
  bool exited_ = false;
  bool recorded_ = false;
  bool told_ = false;
  bool tidied_ = false;
  bool released_ = false;
  bool busy_ = false;  // buffers were used since the memory was given back last
  std::int64_t start_time_ = monotonic_ns();
  std::int64_t exit_time_ = 0;  // monotonic, as the other
  std::string plan_;            // read again at the exit, not kept while the container runs
  std::size_t polled_clients_ = 0;
  pollfd poll_[6 + Clients::limit] = {};
};

}  // namespace servin::shim
