// SPDX-License-Identifier: Apache-2.0
// Log records as datagrams: journald's native protocol, or syslog as /dev/log takes it (RFC 3164).
#pragma once

#include <cstddef>
#include <string_view>

#include <sys/socket.h>

#include "base/time.h"
#include "os/fd.h"
#include "shim/client/client.h"

namespace servin::shim {

class DatagramLog {
 public:
  /// `config` outlives this. Throws Error.
  void open(const LogConfig& config);
  /// Room that a record of `text` bytes needs at most.
  std::size_t bound(std::size_t text) const { return text + config_->prefix.size() + 256; }
  /// Writes the record to `to`; returns its size.
  std::size_t encode(char* to, bool is_error, std::string_view text, Time time) const;
  /// 0, or an errno. The receiver may be started anew at any time.
  int send(std::string_view record) const;

 private:
  const LogConfig* config_ = nullptr;
  Fd socket_;
  sockaddr_storage to_{};
  socklen_t to_size_ = 0;
};

}  // namespace servin::shim
