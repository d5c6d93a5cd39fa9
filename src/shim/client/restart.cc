// SPDX-License-Identifier: Apache-2.0
#include "shim/client/restart.h"

#include <algorithm>

#include "base/record.h"
#include "os/file.h"

namespace servin::shim {
namespace {

constexpr std::uint32_t first_delay_ms = 100;
constexpr std::uint32_t longest_delay_ms = 60'000;
constexpr std::int64_t settled_ns = 10'000'000'000;

}  // namespace

bool wants_restart(const RestartRecord& record, int exit_code, bool stopped_by_hand) {
  if (stopped_by_hand) return false;
  if (record.policy == RestartPolicy::always || record.policy == RestartPolicy::unless_stopped) return true;
  if (record.policy != RestartPolicy::on_failure || exit_code == 0) return false;
  return record.max_retries == 0 || record.count < record.max_retries;
}

std::uint32_t next_delay_ms(std::uint32_t last_ms, std::int64_t ran_ns) {
  if (last_ms == 0 || ran_ns >= settled_ns) return first_delay_ms;
  return last_ms > longest_delay_ms / 2 ? longest_delay_ms : last_ms * 2;
}

std::optional<RestartRecord> read_restart(const std::string& run_dir) {
  try {
    auto bytes = read_file(run_dir + "/" + restart_name);
    if (!bytes) return std::nullopt;
    RecordReader r(*bytes);
    RestartRecord record;
    r.get(record.policy);
    r.get(record.max_retries);
    r.get(record.count);
    r.get(record.delay_ms);
    r.get(record.verb);
    if (!r.at_end()) r.get(record.counted_for);  // of an older version
    return record;
  } catch (const Error&) {
    return std::nullopt;
  }
}

void write_restart(const std::string& run_dir, const RestartRecord& record) {
  RecordWriter w;
  w.put(record.policy);
  w.put(record.max_retries);
  w.put(record.count);
  w.put(record.delay_ms);
  w.put(record.verb);
  w.put(record.counted_for);
  write_file(run_dir + "/" + restart_name, w.bytes());
}

}  // namespace servin::shim
