// SPDX-License-Identifier: Apache-2.0
#include "state/database.h"
#include "state/schema.h"

namespace servin::state {
namespace {

#define SERVIN_IMAGE_COLUMNS "id, manifest_digest, manifest_json, config_json, chain_ids, size, created, loaded"

ImageRow read_image(const Statement& s) {
  ImageRow row;
  row.id = s.text(0);
  row.manifest_digest = s.text(1);
  row.manifest_json = s.text(2);
  row.config_json = s.text(3);
  row.chain_ids = s.text(4);
  row.size = static_cast<std::uint64_t>(s.integer(5));
  row.created.ns = s.integer(6);
  row.loaded.ns = s.integer(7);
  return row;
}

void insert_image(Connection& db, const ImageRow& row) {
  Statement(db, "INSERT OR REPLACE INTO images(" SERVIN_IMAGE_COLUMNS ") VALUES(?,?,?,?,?,?,?,?)")
      .bind(row.id)
      .bind(row.manifest_digest)
      .bind(row.manifest_json)
      .bind(row.config_json)
      .bind(row.chain_ids)
      .bind(static_cast<std::int64_t>(row.size))
      .bind(row.created.ns)
      .bind(row.loaded.ns)
      .run();
}

void insert_reference(Connection& db, const std::string& full, const std::string& image_id) {
  Statement(db, "INSERT OR REPLACE INTO refs VALUES(?,?)").bind(full).bind(image_id).run();
}

}  // namespace

void Database::put_image(const ImageRow& row, const std::vector<std::string>& references) {
  Connection& db = durable();
  db.transaction([&] {
    insert_image(db, row);
    for (const auto& reference : references) insert_reference(db, reference, row.id);
  });
  take_reserve(db.path());
}

std::optional<ImageRow> Database::image(const std::string& id) {
  Connection* db = durable_if_there();
  if (db == nullptr) return std::nullopt;
  Statement s(*db, "SELECT " SERVIN_IMAGE_COLUMNS " FROM images WHERE id=?");
  s.bind(id);
  if (!s.step()) return std::nullopt;
  return read_image(s);
}

bool Database::has_image(const std::string& id) {
  Connection* db = durable_if_there();
  return db != nullptr && Statement(*db, "SELECT 1 FROM images WHERE id=?").bind(id).step();
}

std::vector<ImageRow> Database::images_by_prefix(const std::string& hex_prefix) {
  std::vector<ImageRow> rows;
  Connection* db = durable_if_there();
  if (db == nullptr) return rows;
  // A range of the primary key; 'g' is the first letter after the hex digits.
  Statement s(*db, "SELECT " SERVIN_IMAGE_COLUMNS " FROM images WHERE id>=? AND id<? ORDER BY id LIMIT 2");
  s.bind("sha256:" + hex_prefix).bind("sha256:" + hex_prefix + "g");
  while (s.step()) rows.push_back(read_image(s));
  return rows;
}

std::vector<ImageRow> Database::images() {
  std::vector<ImageRow> rows;
  Connection* db = durable_if_there();
  if (db == nullptr) return rows;
  Statement s(*db, "SELECT " SERVIN_IMAGE_COLUMNS " FROM images ORDER BY created DESC, id");
  while (s.step()) rows.push_back(read_image(s));
  return rows;
}

std::optional<std::string> Database::reference(const std::string& full) {
  Connection* db = durable_if_there();
  if (db == nullptr) return std::nullopt;
  Statement s(*db, "SELECT image_id FROM refs WHERE reference=?");
  s.bind(full);
  if (!s.step()) return std::nullopt;
  return s.text(0);
}

std::vector<ReferenceRow> Database::references() {
  std::vector<ReferenceRow> rows;
  Connection* db = durable_if_there();
  if (db == nullptr) return rows;
  Statement s(*db, "SELECT reference, image_id FROM refs ORDER BY reference");
  while (s.step()) rows.push_back({s.text(0), s.text(1)});
  return rows;
}

std::vector<std::string> Database::references_of(const std::string& image_id) {
  std::vector<std::string> rows;
  Connection* db = durable_if_there();
  if (db == nullptr) return rows;
  Statement s(*db, "SELECT reference FROM refs WHERE image_id=? ORDER BY reference");
  s.bind(image_id);
  while (s.step()) rows.push_back(s.text(0));
  return rows;
}

bool Database::set_reference(const std::string& full, const std::string& image_id) {
  bool there = false;
  Connection& db = durable();
  db.transaction([&] {
    there = Statement(db, "SELECT 1 FROM images WHERE id=?").bind(image_id).step();
    if (there) insert_reference(db, full, image_id);
  });
  return there;
}

bool Database::remove_reference(const std::string& full) {
  bool removed = false;
  Connection* db = durable_if_there();
  if (db == nullptr) return false;
  db->transaction_on_full_disk([&] {
    Statement s(*db, "DELETE FROM refs WHERE reference=? RETURNING 1");
    s.bind(full);
    removed = s.step();
    s.run();
  });
  take_reserve(db->path());
  return removed;
}

bool Database::remove_image(const std::string& id, bool even_if_used) {
  auto row = image(id);
  if (!row) return true;
  if (!even_if_used && !containers_of_image(id).empty()) return false;
  auto refs = references_of(id);
  Connection& db = durable();
  db.transaction_on_full_disk([&] {
    Statement(db, "DELETE FROM refs WHERE image_id=?").bind(id).run();
    Statement(db, "DELETE FROM images WHERE id=?").bind(id).run();
  });
  take_reserve(db.path());
  // The two databases have no transaction in common: a container that was claimed meanwhile keeps its image (it asks
  // has_image() after its claim; see there).
  if (even_if_used || containers_of_image(id).empty()) return true;
  put_image(*row, refs);
  return false;
}

}  // namespace servin::state
