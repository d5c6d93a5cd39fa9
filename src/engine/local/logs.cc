// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "engine/local/local.h"
#include "engine/local/log_config.h"
#include "engine/local/running.h"
#include "shim/client/log_reader.h"

namespace servin::engine {

void LocalEngine::logs(const std::string& text, const LogRequest& request, const LogSink& sink) {
  Row row = find(text);
  std::string driver = load_container(row).config.request.log_driver;
  if (driver != "none" && !keeps_log_file(driver))
    throw error(ErrorCode::unsupported, "the log of container {} went to {}: it cannot be read back from here",
                row.name, driver)
        .with_id("E-LOG-ELSEWHERE")
        .with_hint(driver == "journald" ? "journalctl CONTAINER_NAME=" + row.name : "look where syslog keeps it");
  if (driver == "none")
    throw error(ErrorCode::unsupported, "container {} keeps no log: its log driver is none", row.name)
        .with_id("E-NO-LOG")
        .with_hint("run it with --log-driver json-file");
  shim::LogQuery query;
  query.out = request.out;
  query.err = request.err;
  query.since = request.since;
  query.until = request.until;
  query.tail = request.tail;
  Status status = observe(row).status;
  query.follow = request.follow && is_up(status);
  shim::read_log(log_path(row.id), run_dir(row.id), query, [&](const shim::LogRecord& record) {
    LogLine line;
    line.stream = record.err ? LogLine::Stream::err : LogLine::Stream::out;
    line.time = record.time;
    line.text = record.text;
    return sink(line);
  });
}

}  // namespace servin::engine
