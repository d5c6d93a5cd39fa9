// SPDX-License-Identifier: Apache-2.0
#include "state/database.h"
#include "state/schema.h"

namespace servin::state {
namespace {

#define SERVIN_VOLUME_COLUMNS "name, driver, labels_json, options_json, anonymous, created, used"

VolumeRow read_volume(const Statement& s) {
  VolumeRow row;
  row.name = s.text(0);
  row.driver = s.text(1);
  row.labels_json = s.text(2);
  row.options_json = s.text(3);
  row.anonymous = s.integer(4) != 0;
  row.created.ns = s.integer(5);
  row.used = s.integer(6) != 0;
  return row;
}

}  // namespace

bool Database::add_volume(const VolumeRow& row) {
  bool added = false;
  Connection& db = durable();
  db.transaction([&] {
    Statement s(db, "INSERT OR IGNORE INTO volumes(" SERVIN_VOLUME_COLUMNS ") VALUES(?,?,?,?,?,?,?) RETURNING 1");
    s.bind(row.name).bind(row.driver).bind(row.labels_json).bind(row.options_json);
    s.bind(std::int64_t{row.anonymous}).bind(row.created.ns).bind(std::int64_t{row.used});
    added = s.step();
    s.run();
  });
  return added;
}

std::optional<VolumeRow> Database::volume(const std::string& name) {
  Connection* db = durable_if_there();
  if (db == nullptr) return std::nullopt;
  Statement s(*db, "SELECT " SERVIN_VOLUME_COLUMNS " FROM volumes WHERE name=?");
  s.bind(name);
  if (!s.step()) return std::nullopt;
  return read_volume(s);
}

std::vector<VolumeRow> Database::volumes() {
  std::vector<VolumeRow> rows;
  Connection* db = durable_if_there();
  if (db == nullptr) return rows;
  Statement s(*db, "SELECT " SERVIN_VOLUME_COLUMNS " FROM volumes ORDER BY name");
  while (s.step()) rows.push_back(read_volume(s));
  return rows;
}

void Database::mark_volume_used(const std::string& name) {
  Connection& db = durable();
  db.transaction([&] { Statement(db, "UPDATE volumes SET used=1 WHERE name=?").bind(name).run(); });
}

bool Database::remove_volume(const std::string& name) {
  bool removed = false;
  Connection* db = durable_if_there();
  if (db == nullptr) return false;
  db->transaction_on_full_disk([&] {
    Statement s(*db, "DELETE FROM volumes WHERE name=? RETURNING 1");
    s.bind(name);
    removed = s.step();
    s.run();
  });
  take_reserve(db->path());
  return removed;
}

}  // namespace servin::state
