// SPDX-License-Identifier: Apache-2.0
// The Runtime of --isolation namespace.
#pragma once

#include <memory>
#include <string>

#include "runtime/linux/probe.h"
#include "runtime/runtime.h"

namespace servin::runtime {

class NamespaceRuntime : public Runtime {
 public:
  explicit NamespaceRuntime(HostFacts facts) : facts_(std::move(facts)) {}
  /// `cache_dir`: where compiled seccomp profiles are kept ("" = nowhere).
  NamespaceRuntime(HostFacts facts, std::string cache_dir)
      : facts_(std::move(facts)), cache_dir_(std::move(cache_dir)) {}

  Prepared prepare(const PrepareRequest& request) override;
  void clean_up(const std::string& plan) override;
  void pause(const std::string& plan) override;
  void unpause(const std::string& plan) override;
  bool is_paused(const std::string& plan) override;
  std::vector<pid_t> processes(const std::string& plan) override;
  void kill_all(const std::string& plan, int signal) override;
  Usage usage(const std::string& plan) override;
  Prepared update(const std::string& plan, const oci::SpecResources& limits) override;

 private:
  HostFacts facts_;
  std::string cache_dir_;
};

/// Probes the host.
std::unique_ptr<NamespaceRuntime> make_namespace_runtime(const std::string& cache_dir);

}  // namespace servin::runtime
