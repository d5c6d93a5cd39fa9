// SPDX-License-Identifier: Apache-2.0
#include "oci/rewrite.h"

#include <nlohmann/json.hpp>

namespace servin::oci {

std::string with_layers(std::string_view manifest, const std::vector<Descriptor>& layers) {
  auto json = nlohmann::ordered_json::parse(manifest);
  auto& list = json.at("layers");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    list.at(i)["mediaType"] = layers[i].media_type;
    list.at(i)["digest"] = layers[i].digest.str();
    list.at(i)["size"] = layers[i].size;
  }
  return json.dump();
}

std::string derive_config(std::string_view parent, const ImageConfig& config) {
  auto json = nlohmann::json::parse(parent);
  auto ours = nlohmann::json::parse(to_json(config));
  // Of the build that made the parent (docker's older form).
  for (const char* key : {"id", "parent", "container", "container_config"}) json.erase(key);
  for (const char* key : {"created", "author", "rootfs", "history"}) {
    json.erase(key);
    if (ours.contains(key)) json[key] = ours[key];
  }
  auto& execution = json["config"];
  if (!execution.is_object()) execution = nlohmann::json::object();
  for (const char* key :
       {"User", "WorkingDir", "StopSignal", "Env", "Entrypoint", "Cmd", "ExposedPorts", "Volumes", "Labels"}) {
    execution.erase(key);
    if (ours["config"].is_object() && ours["config"].contains(key)) execution[key] = ours["config"][key];
  }
  if (!config.health.test.empty()) execution["Healthcheck"] = ours["config"]["Healthcheck"];
  return json.dump();
}

}  // namespace servin::oci
