// SPDX-License-Identifier: Apache-2.0
// Parts of the spec that have their own files: namespaces, mounts, /etc/hosts and its kin.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/types.h"
#include "oci/runtime_spec.h"
#include "os/process.h"
#include "runtime/runtime.h"

namespace servin::engine {

/// Spec type -> "" (a new one) or the path of the one to join; what is missing stays the host's. `joined` finds the
/// process of a mode "container:NAME".
std::map<std::string, std::string> namespace_paths(
    const CreateRequest& request,
    const std::function<ProcessId(const std::string& mode, std::string_view option)>& joined);

/// The limits as the runtime takes them; without rules for devices.
oci::SpecResources spec_resources(const CreateRequest& request);

struct MountPlanner {
  MountPlanner(const ContainerConfig& c, std::string files, std::string snapshots)
      : config(c), files_dir(std::move(files)), snapshots_dir(std::move(snapshots)) {}
  const ContainerConfig& config;
  std::string files_dir;  // where hosts, hostname and resolv.conf lie
  std::string snapshots_dir;
  std::string join_shm;
  struct VolumeFolder {
    std::string dir;
    bool fresh = false;  // nothing was ever put into it
  };
  std::function<VolumeFolder(const std::string& volume)> volume_folder;

  /// Defaults, then the container's own /etc files, then what was asked for, parents first.
  void plan(std::vector<oci::SpecMount>& mounts, std::vector<runtime::CopyUp>& copy_up) const;
};

/// What a container's files say of the networks of the engine that it is in; empty when it is in none.
struct NetworkView {
  std::vector<std::string> addresses;       // its own
  std::vector<std::string> host_addresses;  // the host's in these networks: the gateways of bridges
  bool resolver = false;                    // a resolver answers there for the names of containers
};

/// hosts, hostname and resolv.conf of the container, in its folder `dir`. `donor`: the folder of the container whose
/// network is shared, "" for none. True: resolv.conf names a resolver on `host_addresses`, which has to run.
bool write_network_files(const ContainerConfig& config, const std::string& dir, const std::string& donor,
                         const NetworkView& view = {});

}  // namespace servin::engine
