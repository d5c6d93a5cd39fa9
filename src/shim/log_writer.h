// SPDX-License-Identifier: Apache-2.0
// The container's log: json-lines, rotated by size, or datagrams to journald or syslog. Writing never fails towards the
// caller: what the disk does not take is counted and a note stands in the log as soon as it takes something again.
#pragma once

#include <cstdint>
#include <string_view>

#include "os/fd.h"
#include "shim/client/client.h"
#include "shim/datagram_log.h"
#include "shim/json_line.h"

namespace servin::shim {

class LogWriter {
 public:
  enum class Stream : std::uint8_t { out, err };

  /// Opens (appends to) the file. Throws Error.
  explicit LogWriter(const LogConfig& config);

  /// Output as it comes. Whole lines are in the file when this returns; a last line without its end waits for more.
  void write(Stream stream, std::string_view bytes, Time time);
  /// The end of the streams: also what has no new line.
  void finish(Time time);
  /// Gives the memory of the buffers back to the kernel; call when nothing happened for a while.
  void release_memory();

 private:
  struct Partial {
    std::size_t size = 0;
    char* bytes = nullptr;
  };

  void open();
  void add_record(Stream stream, std::string_view text, Time time);
  void append(std::size_t size);
  void add_loss_note(Time time);
  void send_record(Stream stream, std::string_view text, Time time);
  void flush();
  void rotate();

  LogConfig config_;
  Fd file_;
  DatagramLog datagrams_;
  std::uint64_t size_ = 0;  // of the file
  std::size_t batch_ = 0;   // bytes of whole records that wait for flush()
  std::uint64_t lost_ = 0;  // records since the last note
  int lost_errno_ = 0;
  Partial partial_[2];
};

}  // namespace servin::shim
