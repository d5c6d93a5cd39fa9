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

}  // namespace servin::oci
