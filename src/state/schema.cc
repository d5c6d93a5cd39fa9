// SPDX-License-Identifier: Apache-2.0
#include "state/schema.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <set>
#include <sqlite3.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/rollback.h"
#include "base/time.h"
#include "os/file.h"
#include "os/process.h"
#include "state/database.h"

namespace servin::state {
namespace {

// Step n brings a file of version n to version n + 1; a new one takes all of them. A later version appends a step and
// raises schema_version; a step that was released never changes.
constexpr const char* durable_v1 =
    "CREATE TABLE images(id TEXT PRIMARY KEY, manifest_digest TEXT NOT NULL, manifest_json TEXT NOT NULL,"
    " config_json TEXT NOT NULL, chain_ids TEXT NOT NULL, size INTEGER NOT NULL, created INTEGER NOT NULL,"
    " loaded INTEGER NOT NULL) STRICT;"
    "CREATE TABLE refs(reference TEXT PRIMARY KEY, image_id TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX refs_image ON refs(image_id);"
    "CREATE TABLE volumes(name TEXT PRIMARY KEY, driver TEXT NOT NULL, labels_json TEXT NOT NULL,"
    " options_json TEXT NOT NULL, anonymous INTEGER NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) STRICT;"
    "CREATE TABLE containers(id TEXT PRIMARY KEY, name TEXT NOT NULL, image_id TEXT NOT NULL,"
    " config_json TEXT NOT NULL, created INTEGER NOT NULL, auto_remove INTEGER NOT NULL, last_state TEXT NOT NULL)"
    " STRICT;";

constexpr const char* run_v1 =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE containers(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image_id TEXT NOT NULL,"
    " config_json TEXT NOT NULL, created INTEGER NOT NULL, auto_remove INTEGER NOT NULL, durable INTEGER NOT NULL,"
    " creator TEXT NOT NULL, last_state TEXT NOT NULL) STRICT;"
    "CREATE INDEX containers_image ON containers(image_id);";

constexpr std::array<const char*, schema_version> durable_steps = {durable_v1};
constexpr std::array<const char*, schema_version> run_steps = {run_v1};

constexpr off_t reserve_size = 256 << 10;

[[noreturn]] void fail_create(sqlite3* db, int rc, const std::string& path) {
  int err = sqlite3_system_errno(db);
  if (rc == SQLITE_FULL || err == ENOSPC)
    throw error(ErrorCode::resource_exhausted, "make {}: no space left on device", path)
        .with_errno(ENOSPC)
        .with_id("E-DISK-FULL")
        .with_hint("make room on the disk");
  throw error(ErrorCode::internal, "make {}: {}", path, sqlite3_errmsg(db));
}

void remove_database(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
}

// A new database under a temporary name; `fill` runs in the same transaction as the schema. The rename comes last: a
// file of that name is complete.
template <typename Fill>
void make_database(const std::string& path, bool durable, Fill fill) {
  std::string temp = path + ".new-" + hex(random_bytes(4));
  Rollback undo;
  undo.add([&] { remove_database(temp); });
  sqlite3* db = nullptr;
  int rc =
      sqlite3_open_v2(temp.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  struct Closer {
    sqlite3* db;
    ~Closer() { sqlite3_close_v2(db); }
  };
  {
    Closer closer{db};
    auto run = [&](const char* sql) {
      int result = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
      if (result != SQLITE_OK) fail_create(db, result, path);
    };
    if (rc != SQLITE_OK) fail_create(db, rc, path);
    // Nobody sees the file before its new name, and half of one is thrown away: no journal, and one sync in the end.
    run("PRAGMA journal_mode=OFF");
    run("PRAGMA synchronous=OFF");
    run("BEGIN");
    for (const char* step : durable ? durable_steps : run_steps) run(step);
    run(fmt::format("PRAGMA user_version={}", schema_version).c_str());
    fill(db);
    run("COMMIT");
  }
  ::chmod(temp.c_str(), 0600);
  if (durable) sync_path(temp);
  rename_path(temp, path);
  if (durable) sync_path(path.substr(0, path.rfind('/')));
  undo.commit();
  take_reserve(path);
}

struct Stmt {
  sqlite3_stmt* raw = nullptr;
  Stmt(sqlite3* db, const char* sql, const std::string& path) {
    int rc = sqlite3_prepare_v2(db, sql, -1, &raw, nullptr);
    if (rc != SQLITE_OK) fail_create(db, rc, path);
  }
  Stmt(const Stmt&) = delete;
  ~Stmt() { sqlite3_finalize(raw); }
  bool step(const std::string& path) {
    int rc = sqlite3_step(raw);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) fail_create(sqlite3_db_handle(raw), rc, path);
    return rc == SQLITE_ROW;
  }
};

void put(Stmt& s, int index, std::string_view text) {
  sqlite3_bind_text64(s.raw, index, text.data() != nullptr ? text.data() : "", text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
}

void insert_container(Stmt& insert, Statement& row, const std::string& name) {
  put(insert, 1, row.text(0));
  put(insert, 2, name);
  put(insert, 3, row.text(2));
  put(insert, 4, row.text(3));
  sqlite3_bind_int64(insert.raw, 5, row.integer(4));
  sqlite3_bind_int64(insert.raw, 6, row.integer(5));
  put(insert, 7, row.text(6));
}

// A rename that was cut short, or a removal, can leave one name twice: the newest row has it, the others get their id
// added.
void fill_run(sqlite3* db, const Paths& paths) {
  {
    Stmt meta(db, "INSERT INTO meta VALUES('boot_id', ?1)", paths.run_db());
    put(meta, 1, boot_id());
    meta.step(paths.run_db());
  }
  if (!path_exists(paths.db())) return;
  Connection durable(paths.db(), true);
  Statement rows(durable,
                 "SELECT id, name, image_id, config_json, created, auto_remove, last_state FROM containers"
                 " ORDER BY created DESC");
  Stmt insert(db, "INSERT OR IGNORE INTO containers VALUES(?1, ?2, ?3, ?4, ?5, ?6, 1, '', ?7)", paths.run_db());
  while (rows.step()) {
    if (path_exists(paths.removed() + "/" + rows.text(0))) continue;
    insert_container(insert, rows, rows.text(1));
    insert.step(paths.run_db());
    bool taken = sqlite3_changes(db) == 0;
    sqlite3_reset(insert.raw);
    if (!taken) continue;
    insert_container(insert, rows, rows.text(1) + "-" + std::string(short_id(rows.text(0))));
    insert.step(paths.run_db());
    sqlite3_reset(insert.raw);
  }
}

// Containers that were not to outlive their end (--rm) have no record any more, only folders: they go. Known by what
// overlayfs leaves in a volatile mount's work folder, or by having no content at all; a folder that is not ours to
// judge (a database that was moved away) stays for `system doctor`.
void discard_temporary(const Paths& paths) {
  std::set<std::string> known;
  if (path_exists(paths.db())) {
    Connection durable(paths.db(), true);
    Statement rows(durable, "SELECT id FROM containers");
    while (rows.step()) known.insert(rows.text(0));
  }
  for (const auto& id : list_dir(paths.root + "/containers")) {
    std::string dir = paths.container(id);
    bool temporary = path_exists(dir + "/work/work/incompat/volatile") || list_dir(dir + "/upper").empty();
    if (known.count(id) > 0 || !temporary) continue;
    make_dirs(paths.trash());
    rename_path(dir, paths.trash() + "/" + hex(random_bytes(8)));
  }
}

// A descriptor of our own is harmless before the file is opened as a database.
std::string read_file_start(const std::string& path, std::size_t size) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string head(size, '\0');
  ssize_t n = ::pread(fd, head.data(), size, 0);
  ::close(fd);
  head.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return head;
}

FileLock lock_init(const std::string& dir) {
  return FileLock::acquire(dir + "/init.lock", "the set-up of " + dir, lock_patience);
}

}  // namespace

int read_version(sqlite3* db, const std::string& path) {
  // Through SQLite's own descriptor: closing another one of the same file would drop its locks.
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  unsigned char head[100] = {};
  int rc = file != nullptr && file->pMethods != nullptr ? file->pMethods->xRead(file, head, sizeof head, 0)
                                                        : SQLITE_CANTOPEN;
  auto version = static_cast<std::uint32_t>(head[60]) << 24U | static_cast<std::uint32_t>(head[61]) << 16U |
                 static_cast<std::uint32_t>(head[62]) << 8U | static_cast<std::uint32_t>(head[63]);
  bool magic = rc == SQLITE_OK && std::memcmp(head, "SQLite format 3", 16) == 0;
  if (!magic || version == 0)
    throw error(ErrorCode::data_loss, "{} is damaged: not a database", path)
        .with_id("E-STATE-DAMAGED")
        .with_hint("restore it from a backup, or move it away to start anew: mv " + path + " " + path + ".damaged");
  if (version > static_cast<std::uint32_t>(schema_version))
    throw error(ErrorCode::failed_precondition, "{} was written by a newer servin (schema {}, this one knows {})", path,
                version, schema_version)
        .with_id("E-STATE-NEWER")
        .with_hint("use the newer servin, or another --root");
  return static_cast<int>(version);
}

int version_of_file(const std::string& path) {
  std::string head = read_file_start(path, 64);
  if (head.size() < 64) return 0;
  auto byte = [&](std::size_t i) { return static_cast<int>(static_cast<unsigned char>(head[i])); };
  return byte(60) << 24 | byte(61) << 16 | byte(62) << 8 | byte(63);
}

void migrate(Connection& db, bool durable) {
  db.transaction([&] {
    // Somebody else may have done it since the header was read.
    Statement query(db, "PRAGMA user_version");
    int version = query.step() ? static_cast<int>(query.integer(0)) : schema_version;
    query.reset();
    const auto& steps = durable ? durable_steps : run_steps;
    for (int i = version; i < schema_version; ++i) db.exec(steps[static_cast<std::size_t>(i)]);
    db.exec(fmt::format("PRAGMA user_version={}", schema_version).c_str());
  });
}

void ensure_durable(const Paths& paths) {
  if (path_exists(paths.db())) return;
  make_dirs(paths.root, 0700);
  // An existing folder may have been made by somebody else with a wider mode; what lies in it is for root only.
  ::chmod(paths.root.c_str(), 0700);
  FileLock lock = lock_init(paths.root);
  if (path_exists(paths.db())) return;
  // A journal without its database belongs to one that was moved away: SQLite would play it into the new one.
  remove_database(paths.db());
  // Now, because what makes room on a full disk goes through it.
  make_dirs(paths.trash());
  make_database(paths.db(), true, [](sqlite3*) {});
}

namespace {

bool is_of_this_boot(Connection& run) {
  Statement s(run, "SELECT value FROM meta WHERE key='boot_id'");
  return s.step() && s.text(0) == boot_id();
}

bool is_older_than_boot(const std::string& path) {
  struct stat st{};
  timespec up{};
  if (::stat(path.c_str(), &st) != 0 || ::clock_gettime(CLOCK_BOOTTIME, &up) != 0) return false;
  return st.st_mtim.tv_sec < now().ns / 1'000'000'000 - up.tv_sec;
}

}  // namespace

// It is never synced: where it lies on a disk (a --root of one's own), a power cut may have torn the one of the last
// boot, which nobody needs any more.
std::unique_ptr<Connection> open_run(const Paths& paths) {
  if (!path_exists(paths.run_db())) return nullptr;
  try {
    auto run = std::make_unique<Connection>(paths.run_db(), false);
    return is_of_this_boot(*run) ? std::move(run) : nullptr;
  } catch (const Error& e) {
    if (e.id() != "E-STATE-DAMAGED" || !is_older_than_boot(paths.run_db())) throw;
    return nullptr;
  }
}

void ensure_run(const Paths& paths) {
  make_dirs(paths.root, 0700);
  make_dirs(paths.run, 0700);
  ::chmod(paths.run.c_str(), 0700);
  FileLock lock = lock_init(paths.run);
  if (open_run(paths)) return;
  // Of another boot (a --root keeps its run folder on the disk): every process that it speaks of is gone, and the
  // numbers may be those of others by now.
  remove_database(paths.run_db());
  remove_tree(paths.run + "/containers");
  // Before the new one appears: nobody can have claimed a container yet.
  discard_temporary(paths);
  make_database(paths.run_db(), false, [&](sqlite3* db) { fill_run(db, paths); });
}

void take_reserve(const std::string& db_path) noexcept {
  int fd = ::open((db_path + "-reserve").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  struct stat st{};
  if (::fstat(fd, &st) == 0 && st.st_blocks * 512 < reserve_size && ::fallocate(fd, 0, 0, reserve_size) != 0)
      [[maybe_unused]]
    int rc = ::ftruncate(fd, 0);
  ::close(fd);
}

bool give_reserve(const std::string& db_path) noexcept {
  int fd = ::open((db_path + "-reserve").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  struct stat st{};
  bool given = ::fstat(fd, &st) == 0 && st.st_blocks > 0 && ::ftruncate(fd, 0) == 0;
  ::close(fd);
  return given;
}

}  // namespace servin::state
