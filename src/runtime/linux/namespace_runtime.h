// SPDX-License-Identifier: Apache-2.0
// The Runtime of --isolation namespace.
#pragma once

#include <memory>
#include <string>

#include "runtime/linux/probe.h"
#include "runtime/runtime.h"

namespace servin::runtime {

/// What a container uses, from its cgroups; 0 where the host does not count it.
struct CgroupStats {
  std::uint64_t cpu_ns = 0;
  std::uint64_t memory = 0;        // bytes, without the page cache that is easily reclaimed
  std::uint64_t memory_limit = 0;  // 0 = none
  std::uint64_t pids = 0, pids_limit = 0;
  std::uint64_t read_bytes = 0, written_bytes = 0;
};

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
  CgroupStats stats(const std::string& plan);

 private:
  HostFacts facts_;
  std::string cache_dir_;
};

/// Probes the host.
std::unique_ptr<NamespaceRuntime> make_namespace_runtime(const std::string& cache_dir);

}  // namespace servin::runtime
