// SPDX-License-Identifier: Apache-2.0
// SQLite behind RAII, and the two databases of an engine. servin.db (durable): images, references, volumes,
// containers that must survive a reboot. run.db (under the runtime directory, synchronous=OFF: gone at reboot anyway):
// the working copy of every container and the one place where names are claimed; a new one is filled from servin.db.
// Both keep a rollback journal, not a WAL: our processes open, write one row and end, and the first to open a WAL reads
// all of it and builds its index anew (measured: 0.2 ms against 5 ms for open, write, close on a busy host).
// Nobody holds a transaction over slow work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/paths.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace servin::state {

class Connection;

class Statement {
 public:
  Statement(Connection& db, std::string_view sql);
  Statement(Statement&&) noexcept;
  Statement(const Statement&) = delete;
  ~Statement();
  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);  // next parameter; copied
  /// True: a row is there. Throws Error (busy -> unavailable, full -> resource_exhausted E-DISK-FULL, corrupt ->
  /// data_loss E-STATE-DAMAGED).
  bool step();
  void run();    // step() to the end
  void reset();  // for another round of bind and step
  std::int64_t integer(int column) const;
  std::string text(int column) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
};

/// One SQLite file that exists already (schema.h makes them). Busy timeout 10 s. `durable`: a commit is on the disk
/// when it returns. The log is kept at close, so that no command pays for a checkpoint that it did not cause.
class Connection {
 public:
  Connection(const std::string& path, bool durable);
  ~Connection();
  Connection(const Connection&) = delete;
  void exec(const char* sql);
  /// BEGIN IMMEDIATE .. COMMIT; an exception rolls back.
  void transaction(const std::function<void()>& work);
  /// transaction() that works on a full disk too, for whatever makes room (rm, rmi, prune, recording an end): the
  /// reserve beside the database is given up, and taken again once there is room.
  void transaction_on_full_disk(const std::function<void()>& work);
  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  sqlite3* db_ = nullptr;
};

struct ImageRow {
  std::string id;               // "sha256:..." of the config
  std::string manifest_digest;  // "sha256:..."
  std::string manifest_json;
  std::string config_json;
  std::string chain_ids;   // hex, separated by spaces, lowest layer first
  std::uint64_t size = 0;  // unpacked bytes
  Time created;            // of the image
  Time loaded;
};
struct ReferenceRow {
  std::string reference;  // full form
  std::string image_id;
};
struct VolumeRow {
  std::string name, driver, labels_json, options_json;
  bool anonymous = false;
  Time created;
  bool used = false;  // copy-up has happened, or data may be in it
};
struct ContainerRow {
  std::string id, name, image_id, config_json;
  Time created;
  bool auto_remove = false;
  bool durable = false;    // has its row in servin.db too
  std::string creator;     // "PID START" of the process that is making it; "" once it is complete
  std::string last_state;  // the state record when it last stopped (engine/local's form), "" if it never ran
};

class Database {
 public:
  explicit Database(const Paths& paths);
  ~Database();

  // Images (servin.db). Writers sync before they return.
  void put_image(const ImageRow& row, const std::vector<std::string>& references);  // one transaction
  std::optional<ImageRow> image(const std::string& id);
  std::vector<ImageRow> images_by_prefix(const std::string& hex_prefix);  // at most 2
  std::vector<ImageRow> images();
  std::optional<std::string> reference(const std::string& full);  // image id
  std::vector<ReferenceRow> references();
  std::vector<std::string> references_of(const std::string& image_id);
  /// False, and nothing is written, when there is no such image (any more).
  bool set_reference(const std::string& full, const std::string& image_id);
  bool remove_reference(const std::string& full);
  /// Is the image still there? What a create asks again once its row is claimed: remove_image() looks for such rows
  /// after its own commit, so one of the two always sees the other.
  bool has_image(const std::string& id);
  /// Image and its references, unless a container uses it (then false; not with `even_if_used`).
  bool remove_image(const std::string& id, bool even_if_used = false);

  // Volumes (servin.db)
  bool add_volume(const VolumeRow& row);  // false: the name is taken
  std::optional<VolumeRow> volume(const std::string& name);
  std::vector<VolumeRow> volumes();
  void mark_volume_used(const std::string& name);
  bool remove_volume(const std::string& name);

  // Containers. All reads come from run.db.
  /// Claims id and name in run.db; throws already_exists E-NAME-TAKEN naming the holder. `durable`: writes servin.db
  /// too (synced).
  void add_container(const ContainerRow& row);
  std::optional<ContainerRow> container(const std::string& id);
  std::optional<ContainerRow> container_by_name(const std::string& name);
  std::vector<ContainerRow> containers_by_prefix(const std::string& id_prefix);  // at most 2
  std::vector<ContainerRow> containers();
  /// As containers(), without config_json: most of a row's bytes.
  std::vector<ContainerRow> container_heads();
  std::vector<std::string> container_names();
  std::vector<std::string> container_ids();
  std::vector<std::string> containers_of_image(const std::string& image_id);
  void complete_container(const std::string& id);  // clears `creator`
  void persist_container(const std::string& id);   // run.db -> servin.db (synced)
  /// `durably`: in servin.db too, if it has the container (synced).
  void set_last_state(const std::string& id, const std::string& state, bool durably = true);
  void rename_container(const std::string& id, const std::string& name);
  /// From run.db, so that nobody sees it any more. What servin.db has of it goes with forget_removed(): a removal does
  /// not wait for the disk. Until then there is a note (on a full disk it is done at once).
  void remove_container(const std::string& id);
  void forget_removed();  // synced
  bool has_removed() const;

 private:
  bool note_removed(const std::string& id);
  void forget(const std::vector<std::string>& ids);
  // For writers: made when missing. The others return nothing when no engine has ever worked here, so that a look
  // (ps, images) makes no files.
  Connection& durable();
  Connection& run();
  Connection* durable_if_there();
  Connection* run_if_there();
  const Paths& paths_;
  std::unique_ptr<Connection> durable_;
  std::unique_ptr<Connection> run_;
};

}  // namespace servin::state
