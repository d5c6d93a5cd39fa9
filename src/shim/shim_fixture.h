// SPDX-License-Identifier: Apache-2.0
// For tests: a shim as a fork of the test, which runs programs of the host without any image.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "shim/client/client.h"

namespace servin::shim {

/// A change for run(): stdin stays open and is the spawner's.
inline void with_input(SpawnRequest& q) { q.open_stdin = q.attach_stdin = true; }

class ShimTest : public testing::Test {
 protected:
  ShimTest();
  ~ShimTest() override;

  /// sh -c SCRIPT in a shim; `change` adapts the request.
  Client run(const std::string& script, const std::function<void(SpawnRequest&)>& change = {});
  Client run_args(const std::vector<std::string>& args, const std::function<void(SpawnRequest&)>& change = {});

  struct Ending {
    std::string out, err;
    bool exited = false;
    StatusRecord status;
  };
  /// Reads to the end of the connection.
  static Ending finish(Client& client);
  /// Waits for the next frame; fails the test at the end of the connection.
  static Client::Frame next(Client& client);
  /// Waits until the output holds `text`.
  static void read_until(Client& client, const std::string& text);
  void wait_shim();

  std::string dir_;
  std::string log_;  // path
  pid_t shim_ = 0;
};

}  // namespace servin::shim
