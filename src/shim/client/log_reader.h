// SPDX-License-Identifier: Apache-2.0
// A container's log as `servin logs` shows it: the last N lines, a span of time, and what is still coming.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "shim/client/log_record.h"

namespace servin::shim {

struct LogQuery {
  bool out = true, err = true;
  std::optional<Time> since, until;
  std::int64_t tail = -1;  // lines from the end; -1 = all
  bool follow = false;     // until the container has ended (or `until`)
};

/// False ends the reading.
using LogRecordSink = std::function<bool(const LogRecord&)>;

/// Records oldest first, across rotated files. `run_dir`: of the container, to learn of its end when following.
/// Damaged lines are left out; how many is said once (log::warn). No file at all is no error: nothing was written.
void read_log(const std::string& path, const std::string& run_dir, const LogQuery& query, const LogRecordSink& sink);

}  // namespace servin::shim
