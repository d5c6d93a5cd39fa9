// SPDX-License-Identifier: Apache-2.0
// Opening the two databases; the queries stand in images.cc, volumes.cc and containers.cc.
#include "state/database.h"

#include "os/file.h"
#include "state/schema.h"

namespace servin::state {

Database::Database(const Paths& paths) : paths_(paths) {}
Database::~Database() = default;

Connection& Database::durable() {
  if (!durable_) {
    ensure_durable(paths_);
    durable_ = std::make_unique<Connection>(paths_.db(), true);
  }
  return *durable_;
}

Connection& Database::run() {
  if (run_) return *run_;
  run_ = open_run(paths_);
  if (run_) return *run_;
  ensure_run(paths_);
  run_ = std::make_unique<Connection>(paths_.run_db(), false);
  return *run_;
}

Connection* Database::durable_if_there() {
  if (!durable_ && !path_exists(paths_.db())) return nullptr;
  return &durable();
}

Connection* Database::run_if_there() {
  if (!run_ && !path_exists(paths_.run_db()) && !path_exists(paths_.db())) return nullptr;
  return &run();
}

}  // namespace servin::state
