// SPDX-License-Identifier: Apache-2.0
// The Runtime of --isolation none.
#pragma once

#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace servin::runtime {

class HostRuntime : public Runtime {
 public:
  Prepared prepare(const PrepareRequest& request) override;
  void clean_up(const std::string& plan) override;
  void pause(const std::string& plan) override;
  void unpause(const std::string& plan) override;
  bool is_paused(const std::string& plan) override;
  std::vector<pid_t> processes(const std::string& plan) override;
  Usage usage(const std::string& plan) override;
  Prepared update(const std::string& plan, const oci::SpecResources& limits) override;
  void kill_all(const std::string& plan, int signal) override;
};

}  // namespace servin::runtime
