// SPDX-License-Identifier: Apache-2.0
// The event journal (os/journal.h) read back: what is there, then what comes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/types.h"
#include "os/fd.h"

namespace servin::engine {

/// Nothing when the line holds no whole record. A torn record in front of a whole one is skipped.
std::optional<Event> parse_event(std::string_view line);

/// Follows the journal over its rotations by inotify.
class EventStream {
 public:
  /// `history`: from the oldest record on, else from now on. A folder that is not there is made.
  EventStream(const std::string& path, bool history);

  /// Whole records that are there now, each once.
  void read(const std::function<void(const Event&)>& visit);
  /// Returns when more may be there, at `until` (wall clock, also when somebody sets that clock), or when the folder is
  /// gone (then false).
  bool wait(std::optional<Time> until);

 private:
  struct Tail {
    Fd file;
    std::string rest;  // the beginning of a line whose end is not there yet
  };
  void open_current(bool at_end);
  void read_tail(Tail& tail, const std::function<void(const Event&)>& visit);
  void visit_line(std::string_view line, const std::function<void(const Event&)>& visit);

  std::string path_;
  Tail older_, current_;
  Fd watch_;
  int folder_watch_ = -1;
  bool renewed_ = false;  // a new file has the name
  bool gone_ = false;
  Time last_;
};

}  // namespace servin::engine
