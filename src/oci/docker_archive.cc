// SPDX-License-Identifier: Apache-2.0
#include "oci/docker_archive.h"

#include "base/error.h"
#include "base/strings.h"
#include "oci/image.h"
#include "oci/json_strict.h"

namespace servin::oci {

using detail::Json;
using detail::Node;

std::string archive_path(std::string_view path, std::string_view what) {
  auto bad = [&](std::string_view why) {
    return error(ErrorCode::invalid_argument, "{}: the path \"{}\" {}", what, printable(path.substr(0, 100)), why)
        .with_id("E-ARCHIVE-UNSAFE");
  };
  if (path.empty()) throw bad("is empty");
  if (path.size() > 4095) throw bad("is too long");
  if (path.front() == '/') throw bad("is absolute");
  if (path.find('\0') != std::string_view::npos) throw bad("holds a NUL character");
  std::string clean;
  for (const std::string& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") throw bad("leaves the archive");
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  if (clean.empty()) throw bad("names no file");
  return clean;
}

std::vector<DockerArchiveItem> parse_docker_archive(std::string_view json) {
  Json document = detail::parse_strict(json, max_manifest_size, "manifest.json");
  std::vector<DockerArchiveItem> items;
  for (const Node& node : Node(document, "manifest.json").list()) {
    DockerArchiveItem item;
    item.config = archive_path(node.at("Config").string(), node.path() + ".Config");
    item.tags = node.strings_or_empty("RepoTags");
    if (auto layers = node.find("Layers"))
      for (const Node& layer : layers->list()) item.layers.push_back(archive_path(layer.string(), layer.path()));
    items.push_back(std::move(item));
  }
  return items;
}

std::string to_json(const std::vector<DockerArchiveItem>& items) {
  Json json = Json::array();
  for (const DockerArchiveItem& item : items)
    json.push_back({{"Config", item.config},
                    // docker writes null, and older ones accept nothing else, when there is no tag.
                    {"RepoTags", item.tags.empty() ? Json(nullptr) : Json(item.tags)},
                    {"Layers", item.layers}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace servin::oci
