// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

namespace servin::log {
namespace {
Level current = Level::warn;
int target = STDERR_FILENO;

std::string_view name(Level l) {
  switch (l) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "note";
    case Level::warn:
      return "warning";
    default:
      return "error";
  }
}
}  // namespace

void set_level(Level l) { current = l; }
Level level() { return current; }

void set_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) throw_errno("open log file {}", path);
  target = fd;
}

void write(Level l, std::string_view text) {
  std::string line = target == STDERR_FILENO ? fmt::format("{}: {}\n", name(l), text)
                                             : fmt::format("{} {} {}\n", rfc3339(now()), name(l), text);
  // One write per line keeps the lines of several processes whole; a log that cannot be written must not stop the work.
  [[maybe_unused]] auto n = ::write(target, line.data(), line.size());
}

}  // namespace servin::log
