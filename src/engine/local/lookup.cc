// SPDX-License-Identifier: Apache-2.0
// From what a person wrote to a container, and its lock.
#include "base/id.h"
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/records.h"

namespace servin::engine {

Error LocalEngine::no_such_container(const std::string& text) {
  auto names = db_.container_names();
  std::string hint = did_you_mean_hint(text, names);
  return error(ErrorCode::not_found, "no such container: {}", printable(text))
      .with_id("E-CONTAINER-NOT-FOUND")
      .with_hint(hint.empty() ? "servin ps --all lists them" : hint);
}

LocalEngine::Row LocalEngine::find(const std::string& text) {
  if (text.empty()) throw Error(ErrorCode::invalid_argument, "a container's name or id is empty");
  std::string name = text.starts_with('/') ? text.substr(1) : text;
  if (is_full_id(name)) {
    if (auto row = db_.container(name)) return *row;
  }
  // A name wins over a prefix that reads the same.
  if (auto row = db_.container_by_name(name)) return *row;
  if (!is_id_prefix(name)) throw no_such_container(name);
  auto rows = db_.containers_by_prefix(name);
  if (rows.empty()) throw no_such_container(name);
  if (rows.size() > 1)
    throw error(ErrorCode::conflict, "more than one container's id begins with {}", name)
        .with_id("E-ID-AMBIGUOUS")
        .with_hint(fmt::format("write more of it: {} or {}", rows[0].id.substr(0, 12), rows[1].id.substr(0, 12)));
  return rows[0];
}

Container LocalEngine::load_container(const Row& row) {
  Container c;
  c.config = parse_config(row.id, row.config_json);
  c.config.request.name = row.name;
  return c;
}

void LocalEngine::load_networks(Container& container) {
  if (container.state.status != Status::running && container.state.status != Status::paused) return;
  auto attachment = networks_.attachment(container.config.id);
  if (!attachment) return;
  container.ports = shown_ports(*attachment);
  container.networks = shown_networks(*attachment);
}

FileLock LocalEngine::lock(const Row& row) {
  std::string dir = run_dir(row.id);
  for (int attempt = 0;; ++attempt) {
    make_dirs(dir);
    try {
      return FileLock::acquire(dir + "/lock", "container " + row.name, lock_patience);
    } catch (const Error& e) {
      // Whoever removes the container took the folder away between the two lines above.
      if (e.code() != ErrorCode::not_found || attempt == 10) throw;
      if (!db_.container(row.id)) throw no_such_container(row.name);
    }
  }
}

std::optional<FileLock> LocalEngine::try_lock(const Row& row) {
  if (!path_exists(run_dir(row.id))) return std::nullopt;
  try {
    return FileLock::try_acquire(run_dir(row.id) + "/lock");
  } catch (const Error& e) {
    if (e.code() == ErrorCode::not_found) return std::nullopt;  // it goes at this moment
    throw;
  }
}

LocalEngine::Locked LocalEngine::lock_and_settle(const std::string& text) {
  Row row = find(text);
  FileLock held = lock(row);
  auto current = db_.container(row.id);
  if (!current) {
    // Removed while we waited; the folder is our own from lock().
    remove_tree(run_dir(row.id));
    throw no_such_container(text);
  }
  Container container = load_container(*current);
  if (!settle(*current, container.state)) throw no_such_container(text);
  // Settling may have written the row.
  return {std::move(held), db_.container(row.id).value_or(*current), std::move(container)};
}

std::string LocalEngine::read_plan(const std::string& id) const {
  return read_file(run_dir(id) + "/plan", 64U << 20U).value_or("");
}

}  // namespace servin::engine
