// SPDX-License-Identifier: Apache-2.0
// The host runtime's launch plan: what is left of a container without isolation. Flat data, read by the shim.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "runtime/runtime.h"

namespace servin::runtime {

struct HostMount {
  std::string source, target;  // source "": a tmpfs
  std::string options;         // of the tmpfs
  bool read_only = false;
  bool recursive = true;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct ResourceLimit {
  std::uint32_t resource = 0;
  std::uint64_t soft = 0, hard = 0;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct HostPlan {
  std::string id;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  std::string user;
  std::vector<std::string> groups;
  std::vector<std::string> lowers;  // highest first
  std::string upper, work;
  std::string mount_point;  // "": no image, the host's own root folder (tests of the shim)
  bool volatile_ = false;
  std::vector<HostMount> mounts;  // as root only
  std::vector<ResourceLimit> limits;

  std::string bytes() const;
  /// Throws data_loss.
  static HostPlan parse(std::string_view bytes);
};

/// By this variable in their environment the processes of a container are found again (there is no cgroup).
inline constexpr std::string_view id_variable = "SERVIN_CONTAINER_ID=";

/// Pure. `root`: mounts can be made. Throws unsupported for what cannot be had without isolation.
HostPlan plan_on_host(const PrepareRequest& request, bool root);

}  // namespace servin::runtime
