// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <ctime>
#include <sqlite3.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"
#include "os/process.h"
#include "state/database.h"
#include "state/schema.h"

namespace servin::state {
namespace {

// SQLite's own waits grow to 100 ms, far more than our transactions last: short naps, up to 5 ms.
int wait_for_lock(void* started, int count) {
  auto& since = *static_cast<std::int64_t*>(started);
  if (count == 0) since = monotonic_ns();
  if (monotonic_ns() - since > lock_patience) return 0;
  long nap = 100'000L << (count < 6 ? count : 6);
  timespec t{0, nap < 5'000'000L ? nap : 5'000'000L};
  ::nanosleep(&t, nullptr);
  return 1;
}

thread_local std::int64_t lock_wait_started = 0;

void configure_once() {
  static const bool done = [] {
    // A mapped file turns a full disk or a failing one into SIGBUS.
    sqlite3_config(SQLITE_CONFIG_MMAP_SIZE, sqlite3_int64{0}, sqlite3_int64{0});
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    // No twenty pages in advance for each database: a command reads three or four.
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
    // No 48 KiB of small slots either: linking them touches every page of them.
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    return true;
  }();
  (void)done;
}

bool is_out_of_space(sqlite3* db, int rc) {
  if (rc == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE) return true;
  int err = sqlite3_system_errno(db);
  return (rc & 0xff) == SQLITE_IOERR && (err == ENOSPC || err == EDQUOT);
}

/// Who else holds a lock of SQLite's on the file: pids. The kernel's list is read, since a descriptor of our own that
/// is closed would drop our own locks.
std::vector<std::string> lock_holders(const std::string& path) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0) return {};
  std::string file = fmt::format("{:02x}:{:02x}:{}", major(st.st_dev), minor(st.st_dev), st.st_ino);
  std::vector<std::string> pids;
  for (const std::string& line : split(read_file("/proc/locks", 16U << 20U).value_or(""), '\n')) {
    // "3: POSIX  ADVISORY  WRITE 4711 fe:01:1234 1073741825 1073741825"
    auto at = line.find(" " + file + " ");
    if (at == std::string::npos || line.find("POSIX") == std::string::npos) continue;
    std::string pid = line.substr(line.rfind(' ', at - 1) + 1, at - line.rfind(' ', at - 1) - 1);
    if (pid != std::to_string(::getpid()) && std::find(pids.begin(), pids.end(), pid) == pids.end())
      pids.push_back(pid);
  }
  return pids;
}

Error busy(const std::string& path) {
  std::vector<std::string> pids = lock_holders(path);
  std::string stopped;
  for (const std::string& pid : pids)
    if (auto process = identify(static_cast<pid_t>(parse_u64(pid).value_or(0))); process && is_stopped(*process))
      stopped += " " + pid;
  std::string who = pids.empty() ? "" : " (pid " + join(pids, ", ") + ")";
  return error(ErrorCode::unavailable, "{} is locked by another servin{} for too long", path, who)
      .with_id("E-STATE-BUSY")
      .with_hint(!stopped.empty() ? "it is stopped by a signal, let it go on: kill -CONT" + stopped
                 : pids.empty()   ? "look for it: fuser -v " + path
                                  : "wait for it, or look at it: ps -fp " + join(pids, ","));
}

[[noreturn]] void fail(sqlite3* db, int rc, const std::string& path) {
  std::string text = sqlite3_errstr(rc);
  if (is_out_of_space(db, rc))
    throw error(ErrorCode::resource_exhausted, "write {}: no space left on device", path)
        .with_errno(ENOSPC)
        .with_id("E-DISK-FULL")
        .with_hint("make room: servin system prune, or remove containers and images that are not needed");
  switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw busy(path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw error(ErrorCode::data_loss, "{} is damaged: {}", path, text)
          .with_id("E-STATE-DAMAGED")
          .with_hint("restore it from a backup, or move it away to start anew: mv " + path + " " + path + ".damaged");
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      throw error(ErrorCode::permission_denied, "{} cannot be written: {}", path, text)
          .with_hint("run as root, and look whether the file system is mounted read-only");
    case SQLITE_CANTOPEN: {
      int err = sqlite3_system_errno(db);
      throw errno_error(err == 0 ? EIO : err, "open " + path);
    }
    case SQLITE_NOMEM:
      throw error(ErrorCode::resource_exhausted, "{}: out of memory", path);
    default:
      throw error(ErrorCode::internal, "{}: {}", path, db != nullptr ? sqlite3_errmsg(db) : text);
  }
}

std::string file_of(sqlite3* db) {
  const char* name = sqlite3_db_filename(db, "main");
  return name != nullptr ? name : "database";
}

}  // namespace

Connection::Connection(const std::string& path, bool durable) : path_(path) {
  configure_once();
  int rc = sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                           nullptr);
  try {
    if (rc != SQLITE_OK) fail(db_, rc, path_);
    sqlite3_extended_result_codes(db_, 1);
    sqlite3_busy_handler(db_, wait_for_lock, &lock_wait_started);
    int version = read_version(db_, path_);
    exec(durable ? "PRAGMA synchronous=FULL; PRAGMA journal_mode=PERSIST"
                 : "PRAGMA synchronous=OFF; PRAGMA journal_mode=PERSIST");
    if (version < schema_version) migrate(*this, durable);
  } catch (...) {
    sqlite3_close_v2(db_);
    throw;
  }
}

Connection::~Connection() { sqlite3_close_v2(db_); }

void Connection::exec(const char* sql) {
  int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (rc != SQLITE_OK) fail(db_, rc, path_);
}

void Connection::transaction(const std::function<void()>& work) {
  exec("BEGIN IMMEDIATE");
  try {
    work();
    exec("COMMIT");
  } catch (...) {
    // After some failures (full disk) SQLite has rolled back by itself.
    if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Connection::transaction_on_full_disk(const std::function<void()>& work) {
  try {
    transaction(work);
  } catch (const Error& e) {
    if (e.id() != "E-DISK-FULL" || !give_reserve(path_)) throw;
    transaction(work);
  }
}

Statement::Statement(Connection& db, std::string_view sql) {
  int rc = sqlite3_prepare_v2(db.handle(), sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
  if (rc != SQLITE_OK) fail(db.handle(), rc, db.path());
}

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), next_(other.next_) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(std::int64_t value) {
  int rc = sqlite3_bind_int64(statement_, next_++, value);
  if (rc != SQLITE_OK) fail(sqlite3_db_handle(statement_), rc, "bind a number");
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL where an empty text is meant.
  const char* data = text.data() != nullptr ? text.data() : "";
  int rc = sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (rc != SQLITE_OK) fail(sqlite3_db_handle(statement_), rc, "bind a text");
  return *this;
}

bool Statement::step() {
  int rc = sqlite3_step(statement_);
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) return false;
  sqlite3* db = sqlite3_db_handle(statement_);
  int code = sqlite3_extended_errcode(db);
  sqlite3_reset(statement_);
  fail(db, code != SQLITE_OK ? code : rc, file_of(db));
}

void Statement::run() {
  while (step()) {
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
  next_ = 1;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace servin::state
