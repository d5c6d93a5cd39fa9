// SPDX-License-Identifier: Apache-2.0
// The manifest.json of a docker-archive ("docker save"): which files of the archive are an image's config and layers.
// Paths are judged here: relative, inside the archive, printable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::oci {

struct DockerArchiveItem {
  std::string config;               // path in the archive
  std::vector<std::string> tags;    // "busybox:latest"
  std::vector<std::string> layers;  // paths, lowest first
};

/// Throws invalid_argument naming the field.
std::vector<DockerArchiveItem> parse_docker_archive(std::string_view json);
std::string to_json(const std::vector<DockerArchiveItem>& items);

/// The path without "./", double slashes; throws invalid_argument when it is absolute, climbs ("..") or is longer than
/// 4095 bytes. `what` names its place.
std::string archive_path(std::string_view path, std::string_view what);

}  // namespace servin::oci
