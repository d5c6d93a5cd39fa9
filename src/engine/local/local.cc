// SPDX-License-Identifier: Apache-2.0
#include "engine/local/local.h"

#include "base/log.h"
#include "engine/local/records.h"
#include "registry/names.h"

namespace servin::engine {

LocalEngine::LocalEngine(Paths paths)
    : paths_(std::move(paths)),
      db_(paths_),
      snapshotter_(paths_),
      images_(paths_, db_, snapshotter_),
      networks_(paths_, [this](const std::string& id) {
        auto row = db_.container(id);
        return row ? std::optional(row->name) : std::nullopt;
      }) {
  images_.keep_used([this](const std::set<std::string>& images) {
    std::vector<std::string> chains;
    for (const auto& row : db_.containers()) {
      if (images.count(row.image_id) > 0) continue;
      ContainerConfig config = parse_config(row.id, row.config_json);
      chains.insert(chains.end(), config.chain_ids.begin(), config.chain_ids.end());
    }
    return chains;
  });
  images_.know_names([](const std::string& text) -> std::vector<oci::Reference> {
    try {
      return registry::candidates(text, registry::read_name_rules());
    } catch (const Error& e) {
      log::debug("{}", e.message());  // a damaged registries.conf is told by who asks a registry
      return {};
    }
  });
  images_.know_running([this](const oci::Digest& chain) {
    std::vector<std::string> names;
    for (const auto& row : db_.containers()) {
      if (row.config_json.find(chain.hex()) == std::string::npos) continue;
      Status status = observe(row).status;
      if (status == Status::running || status == Status::paused || status == Status::restarting)
        names.push_back(row.name);
    }
    return names;
  });
}

void LocalEngine::drop_unused_layers(const std::string& image_id) {
  if (!db_.has_image(image_id)) images_.collect_garbage(false);
}

LocalEngine::~LocalEngine() = default;

}  // namespace servin::engine
