// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "base/rollback.h"
#include "os/file.h"
#include "state/database.h"
#include "state/schema.h"

namespace servin::state {
namespace {

#define SERVIN_CONTAINER_COLUMNS "id, name, image_id, config_json, created, auto_remove, durable, creator, last_state"

ContainerRow read_container(const Statement& s) {
  ContainerRow row;
  row.id = s.text(0);
  row.name = s.text(1);
  row.image_id = s.text(2);
  row.config_json = s.text(3);
  row.created.ns = s.integer(4);
  row.auto_remove = s.integer(5) != 0;
  row.durable = s.integer(6) != 0;
  row.creator = s.text(7);
  row.last_state = s.text(8);
  return row;
}

std::vector<ContainerRow> read_containers(Statement& s) {
  std::vector<ContainerRow> rows;
  while (s.step()) rows.push_back(read_container(s));
  return rows;
}

void put_durable(Connection& db, const ContainerRow& row) {
  Statement(db, "INSERT OR REPLACE INTO containers VALUES(?,?,?,?,?,?,?)")
      .bind(row.id)
      .bind(row.name)
      .bind(row.image_id)
      .bind(row.config_json)
      .bind(row.created.ns)
      .bind(std::int64_t{row.auto_remove})
      .bind(row.last_state)
      .run();
}

// Throws when somebody has the name already; called inside the transaction that takes it.
void check_free(Connection& db, const std::string& name) {
  Statement holder(db, "SELECT id FROM containers WHERE name=?");
  if (!holder.bind(name).step()) return;
  std::string id(short_id(holder.text(0)));
  throw error(ErrorCode::already_exists, "the name \"{}\" is in use by container {}", name, id)
      .with_id("E-NAME-TAKEN")
      .with_hint("choose another name, or remove that container: servin rm " + name);
}

}  // namespace

void Database::add_container(const ContainerRow& row) {
  Connection& db = run();
  db.transaction([&] {
    check_free(db, row.name);
    Statement s(db, "INSERT INTO containers(" SERVIN_CONTAINER_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)");
    s.bind(row.id).bind(row.name).bind(row.image_id).bind(row.config_json).bind(row.created.ns);
    s.bind(std::int64_t{row.auto_remove}).bind(std::int64_t{row.durable}).bind(row.creator).bind(row.last_state).run();
  });
  if (row.durable) {
    Connection& disk = durable();
    disk.transaction([&] { put_durable(disk, row); });
  }
}

std::optional<ContainerRow> Database::container(const std::string& id) {
  Connection* db = run_if_there();
  if (db == nullptr) return std::nullopt;
  Statement s(*db, "SELECT " SERVIN_CONTAINER_COLUMNS " FROM containers WHERE id=?");
  s.bind(id);
  if (!s.step()) return std::nullopt;
  return read_container(s);
}

std::optional<ContainerRow> Database::container_by_name(const std::string& name) {
  Connection* db = run_if_there();
  if (db == nullptr) return std::nullopt;
  Statement s(*db, "SELECT " SERVIN_CONTAINER_COLUMNS " FROM containers WHERE name=?");
  s.bind(name);
  if (!s.step()) return std::nullopt;
  return read_container(s);
}

std::vector<ContainerRow> Database::containers_by_prefix(const std::string& id_prefix) {
  Connection* db = run_if_there();
  if (db == nullptr) return {};
  Statement s(*db, "SELECT " SERVIN_CONTAINER_COLUMNS " FROM containers WHERE id>=? AND id<? ORDER BY id LIMIT 2");
  s.bind(id_prefix).bind(id_prefix + "g");
  return read_containers(s);
}

std::vector<ContainerRow> Database::containers() {
  Connection* db = run_if_there();
  if (db == nullptr) return {};
  Statement s(*db, "SELECT " SERVIN_CONTAINER_COLUMNS " FROM containers ORDER BY created DESC, id");
  return read_containers(s);
}

std::vector<ContainerRow> Database::container_heads() {
  Connection* db = run_if_there();
  if (db == nullptr) return {};
  Statement s(*db,
              "SELECT id, name, image_id, '', created, auto_remove, durable, creator, last_state FROM containers "
              "ORDER BY created DESC, id");
  return read_containers(s);
}

std::vector<std::string> Database::container_names() {
  std::vector<std::string> names;
  Connection* db = run_if_there();
  if (db == nullptr) return names;
  Statement s(*db, "SELECT name FROM containers ORDER BY name");
  while (s.step()) names.push_back(s.text(0));
  return names;
}

std::vector<std::string> Database::container_ids() {
  std::vector<std::string> ids;
  Connection* db = run_if_there();
  if (db == nullptr) return ids;
  Statement s(*db, "SELECT id FROM containers");
  while (s.step()) ids.push_back(s.text(0));
  return ids;
}

std::vector<std::string> Database::containers_of_image(const std::string& image_id) {
  std::vector<std::string> ids;
  Connection* db = run_if_there();
  if (db == nullptr) return ids;
  Statement s(*db, "SELECT id FROM containers WHERE image_id=? ORDER BY created");
  s.bind(image_id);
  while (s.step()) ids.push_back(s.text(0));
  return ids;
}

void Database::complete_container(const std::string& id) {
  Connection& db = run();
  db.transaction_on_full_disk([&] { Statement(db, "UPDATE containers SET creator='' WHERE id=?").bind(id).run(); });
}

void Database::persist_container(const std::string& id) {
  auto row = container(id);
  if (!row) return;
  row->durable = true;
  Connection& disk = durable();
  disk.transaction([&] { put_durable(disk, *row); });
  Connection& db = run();
  bool still_there = false;
  db.transaction_on_full_disk([&] {
    Statement s(db, "UPDATE containers SET durable=1 WHERE id=? RETURNING 1");
    s.bind(id);
    still_there = s.step();
    s.run();
  });
  // Removed meanwhile: its remover saw no durable row.
  if (!still_there)
    disk.transaction_on_full_disk([&] { Statement(disk, "DELETE FROM containers WHERE id=?").bind(id).run(); });
}

void Database::set_last_state(const std::string& id, const std::string& state, bool durably) {
  bool is_durable = false;
  Connection& db = run();
  db.transaction_on_full_disk([&] {
    Statement s(db, "UPDATE containers SET last_state=? WHERE id=? RETURNING durable");
    s.bind(state).bind(id);
    is_durable = s.step() && s.integer(0) != 0;
    s.run();
  });
  if (!is_durable || !durably) return;
  Connection& disk = durable();
  disk.transaction_on_full_disk(
      [&] { Statement(disk, "UPDATE containers SET last_state=? WHERE id=?").bind(state).bind(id).run(); });
}

/// The disk first, and without the lock of run.db: every other command would wait for the disk too.
void Database::rename_container(const std::string& id, const std::string& name) {
  Connection& db = run();
  check_free(db, name);
  auto row = container(id);
  if (!row) return;
  auto write_durable = [&](const std::string& value) {
    Connection& disk = durable();
    disk.transaction([&] { Statement(disk, "UPDATE containers SET name=? WHERE id=?").bind(value).bind(id).run(); });
  };
  Rollback undo;
  if (row->durable) {
    undo.add([&] { write_durable(row->name); });
    write_durable(name);
  }
  bool durable_now = false;
  db.transaction_on_full_disk([&] {
    check_free(db, name);
    Statement s(db, "UPDATE containers SET name=? WHERE id=? RETURNING durable");
    s.bind(name).bind(id);
    durable_now = s.step() && s.integer(0) != 0;
    s.run();
  });
  undo.commit();
  if (durable_now && !row->durable) write_durable(name);  // persisted meanwhile, under the old name
}

void Database::remove_container(const std::string& id) {
  Connection* db = run_if_there();
  if (db == nullptr) return;
  db->transaction_on_full_disk([&] {
    // Not only `durable`: a persist_container() that was killed in the middle has written it and not said so.
    Statement s(*db, "DELETE FROM containers WHERE id=? RETURNING durable OR NOT auto_remove");
    s.bind(id);
    bool on_disk = s.step() && s.integer(0) != 0;
    s.run();
    if (on_disk && !note_removed(id)) forget({id});
  });
  take_reserve(db->path());
}

// False: there is no room for the note.
bool Database::note_removed(const std::string& id) {
  try {
    make_dirs(paths_.removed());
    open_file(paths_.removed() + "/" + id, O_WRONLY | O_CREAT, 0600);
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::resource_exhausted) throw;
    return false;
  }
}

void Database::forget(const std::vector<std::string>& ids) {
  Connection& disk = durable();
  disk.transaction_on_full_disk([&] {
    for (const auto& id : ids) Statement(disk, "DELETE FROM containers WHERE id=?").bind(id).run();
  });
  take_reserve(disk.path());
}

bool Database::has_removed() const { return !list_dir(paths_.removed()).empty(); }

void Database::forget_removed() {
  std::vector<std::string> notes = list_dir(paths_.removed());
  Connection* db = notes.empty() ? nullptr : run_if_there();
  if (db == nullptr) return;
  // Whoever has left a note holds this lock until the record is gone. A note beside a record is of a command that was
  // killed in between: the container is still there.
  db->transaction([&] {
    std::erase_if(notes, [&](const std::string& id) {
      if (!Statement(*db, "SELECT 1 FROM containers WHERE id=?").bind(id).step()) return false;
      ::unlink((paths_.removed() + "/" + id).c_str());
      return true;
    });
  });
  if (notes.empty()) return;
  forget(notes);
  for (const auto& id : notes) ::unlink((paths_.removed() + "/" + id).c_str());
}

}  // namespace servin::state
