// SPDX-License-Identifier: Apache-2.0
// How lists show containers, images and volumes, in docker's words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/types.h"

namespace servin::cli {

/// "\"sleep 1000\"", cut to 20 characters unless `full`.
std::string shown_command(const std::vector<std::string>& args, bool full);
/// The name as people write it, or the short id when the image lost its name.
std::string shown_image(const engine::ContainerConfig& config);
/// "Up 5 minutes (Paused)", "Exited (0) 3 seconds ago", "Created".
std::string shown_status(const engine::ContainerState& state, Time now);
/// "2026-11-27 08:00:00 +0000 UTC"
std::string shown_time(Time time);
/// "a=b,c=d"
std::string shown_labels(const std::map<std::string, std::string>& labels);
/// As docker ps: "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", and what is only exposed.
std::string shown_ports(const engine::Container& container);
std::string shown_mounts(const std::vector<engine::MountSpec>& mounts, bool full);
std::size_t count_volumes(const std::vector<engine::MountSpec>& mounts);
bool has_ipv6(const engine::Network& network);
/// Docker's `network inspect` shape.
std::string network_json(const engine::Network& network);
/// Docker's `volume inspect` shape.
std::string volume_json(const engine::Volume& volume);

}  // namespace servin::cli
