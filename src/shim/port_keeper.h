// SPDX-License-Identifier: Apache-2.0
// The sockets that keep a container's published ports ours. The kernel forwards what is sent to these ports, so nothing
// arrives here but what it cannot forward; then servin-netd carries it (network/forward), for as long as it comes.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "os/fd.h"

namespace servin::shim {

class PortKeeper {
 public:
  /// `targets[i]`: where socket i leads, as servin-netd has it; "" = nowhere.
  PortKeeper(std::vector<Fd> sockets, std::vector<std::string> targets);
  ~PortKeeper() { close(); }
  PortKeeper(const PortKeeper&) = delete;
  PortKeeper& operator=(const PortKeeper&) = delete;

  /// To poll for reading; -1 while nothing is to be done.
  int poll_fd() const { return carrier_ == 0 && !broken_ ? arrivals_.get() : -1; }
  void start_carrier();
  pid_t carrier() const { return carrier_; }
  /// Our child that was just reaped, with its wait status.
  void carrier_ended(int status);
  /// Everything goes, also the process: the ports are free when this returns.
  void close();

 private:
  std::vector<Fd> sockets_;
  std::vector<std::string> targets_;
  Fd arrivals_;
  pid_t carrier_ = 0;
  bool broken_ = false;  // it cannot be started, or failed: not again and again
};

}  // namespace servin::shim
