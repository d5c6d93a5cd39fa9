// SPDX-License-Identifier: Apache-2.0
// Reading one record of a container's log (shim/json_line.h writes them).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace servin::shim {

struct LogRecord {
  bool err = false;  // stderr, else stdout
  Time time;
  std::string text;
};

/// One line of the file without its new line; nothing when it is damaged. Lone surrogates \udcXX give the byte XX back.
std::optional<LogRecord> parse_log_record(std::string_view line);

}  // namespace servin::shim
