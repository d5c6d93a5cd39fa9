// SPDX-License-Identifier: Apache-2.0
// The two database files: how they are made, brought up to date and judged. A file appears complete (made under another
// name, then renamed) or not at all.
#pragma once

#include <memory>
#include <string>

#include "base/paths.h"

struct sqlite3;

namespace servin::state {

class Connection;

/// Of both files. A higher one on disk was written by a newer servin: nothing is touched then.
constexpr int schema_version = 1;

/// Makes servin.db when it is missing.
void ensure_durable(const Paths& paths);
/// Makes run.db when it is missing or of another boot, filled with the containers of servin.db.
void ensure_run(const Paths& paths);
/// run.db, if it was made since the host started; nothing when it is not there or of another boot.
std::unique_ptr<Connection> open_run(const Paths& paths);
/// The schema version, from the first 100 bytes of the file: throws E-STATE-NEWER or E-STATE-DAMAGED before SQLite
/// writes anything.
int read_version(sqlite3* db, const std::string& path);
/// The same of a file that nobody has opened; 0 when it cannot be told.
int version_of_file(const std::string& path);
/// From an older version to this one, in one transaction.
void migrate(Connection& db, bool durable);

/// Bytes beside each database that a full disk can be relieved by.
void take_reserve(const std::string& db_path) noexcept;
/// False when there is nothing to give.
bool give_reserve(const std::string& db_path) noexcept;

}  // namespace servin::state
