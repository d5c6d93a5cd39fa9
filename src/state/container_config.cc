// SPDX-License-Identifier: Apache-2.0
#include "state/container_config.h"

#include "os/file.h"
#include "state/database.h"

namespace servin::state {
namespace {

void set_in(const std::string& path, bool durable, const std::string& id, const std::string& config_json) {
  if (!path_exists(path)) return;
  Connection db(path, durable);
  db.transaction(
      [&] { Statement(db, "UPDATE containers SET config_json=? WHERE id=?").bind(config_json).bind(id).run(); });
}

}  // namespace

// The durable one first: what a command reads before a reboot must not be more than what is there after it.
void set_container_config(const Paths& paths, const std::string& id, const std::string& config_json) {
  set_in(paths.db(), true, id, config_json);
  set_in(paths.run_db(), false, id, config_json);
}

}  // namespace servin::state
