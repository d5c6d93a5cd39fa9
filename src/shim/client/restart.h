// SPDX-License-Identifier: Apache-2.0
// What happens to a container that has ended by itself. The engine leaves a RestartRecord in run_dir when there is a
// policy other than "no"; the shim reads it at the exit, so that a container without one costs it nothing and an update
// of a running container is one file. run_dir/stopped says that somebody wants the container to be over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace servin::shim {

enum class RestartPolicy : std::uint8_t { no, on_failure, always, unless_stopped };

struct RestartRecord {
  RestartPolicy policy = RestartPolicy::no;
  std::uint32_t max_retries = 0;  // on_failure; 0 = no limit
  std::uint32_t count = 0;        // restarts so far, since the container was last started by hand
  std::uint32_t delay_ms = 0;     // the last one's back-off
  /// The hidden verb that starts it again, as SpawnRequest::after_exit.
  std::vector<std::string> verb;
  /// `finished` of the run whose end was counted last (nanoseconds): a verb that is tried again counts nothing twice.
  std::int64_t counted_for = 0;
};

inline constexpr const char* restart_name = "restart";
inline constexpr const char* stopped_name = "stopped";

/// Pure. `record.count` restarts were made.
bool wants_restart(const RestartRecord& record, int exit_code, bool stopped_by_hand);
/// Pure. 100 ms, twice as long each time, at most a minute; from the start again when it ran for 10 s.
std::uint32_t next_delay_ms(std::uint32_t last_ms, std::int64_t ran_ns);

/// Nothing when there is none, or one that cannot be read.
std::optional<RestartRecord> read_restart(const std::string& run_dir);
void write_restart(const std::string& run_dir, const RestartRecord& record);

}  // namespace servin::shim
