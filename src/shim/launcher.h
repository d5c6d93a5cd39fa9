// SPDX-License-Identifier: Apache-2.0
// What the shim needs of a runtime: a seam, so that app/ chooses the kinds and tests bring their own.
#pragma once

#include <string>

#include "runtime/runtime.h"
#include "shim/client/client.h"

namespace servin::shim {

class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Throws Error; then nothing of the container runs.
  virtual runtime::Launched launch(const std::string& plan, const SpawnRequest& request) = 0;
  /// Asked once after the exit.
  virtual bool oom_killed(const std::string& plan) = 0;
  /// What a launch left outside of the container's namespaces. Safe to repeat.
  virtual void clean_up(const std::string& plan) = 0;
};

/// Namespaces, or the host runtime when the request says so.
class RuntimeLauncher : public Launcher {
 public:
  explicit RuntimeLauncher(bool host) : host_(host) {}
  runtime::Launched launch(const std::string& plan, const SpawnRequest& request) override;
  bool oom_killed(const std::string& plan) override;
  void clean_up(const std::string& plan) override;

 private:
  bool host_;
};

}  // namespace servin::shim
