// SPDX-License-Identifier: Apache-2.0
#include "shim/client/protocol.h"

namespace servin::shim {
namespace {

constexpr std::uint32_t status_magic = 0x31747353;  // "Sst1"

void put_process(RecordWriter& w, const ProcessId& p) {
  w.put(static_cast<std::int32_t>(p.pid));
  w.put(p.start);
}
ProcessId get_process(RecordReader& r) {
  ProcessId p;
  p.pid = r.get<std::int32_t>();
  r.get(p.start);
  return p;
}

}  // namespace

std::string encode_request(const SpawnRequest& q) {
  RecordWriter w;
  w.put(frame_version);
  w.put(q.id);
  w.put(q.run_dir);
  w.put(q.host_runtime);
  w.put(q.open_stdin);
  w.put(q.terminal);
  w.put(q.rows);
  w.put(q.columns);
  w.put(q.log.path);
  w.put(q.log.max_size);
  w.put(q.log.max_files);
  w.put(q.log.kind);
  w.put(q.log.address);
  w.put(q.log.prefix);
  w.put(q.log.facility);
  w.put(q.events.path);
  w.put(q.events.before);
  w.put(q.events.members);
  w.put(q.attached);
  w.put(q.attach_stdin);
  w.put(q.attach_out);
  w.put(q.attach_err);
  w.put(q.after_exit);
  w.put(q.after_start);
  w.put(q.health.interval_ms);
  w.put(q.health.start_interval_ms);
  w.put(q.health.start_period_ms);
  w.put(q.health.verb);
  w.put(q.release_dir);
  w.put(q.release_by_verb);
  w.put(q.port_targets);
  return w.take();
}

SpawnRequest decode_request(std::string_view bytes) {
  RecordReader r(bytes);
  if (r.get<std::uint8_t>() != frame_version)
    throw Error(ErrorCode::failed_precondition, "servin and servin-shim are of different versions")
        .with_id("E-INSTALL-BROKEN")
        .with_hint("install servin again");
  SpawnRequest q;
  r.get(q.id);
  r.get(q.run_dir);
  r.get(q.host_runtime);
  r.get(q.open_stdin);
  r.get(q.terminal);
  r.get(q.rows);
  r.get(q.columns);
  r.get(q.log.path);
  r.get(q.log.max_size);
  r.get(q.log.max_files);
  r.get(q.log.kind);
  r.get(q.log.address);
  r.get(q.log.prefix);
  r.get(q.log.facility);
  r.get(q.events.path);
  r.get(q.events.before);
  r.get(q.events.members);
  r.get(q.attached);
  r.get(q.attach_stdin);
  r.get(q.attach_out);
  r.get(q.attach_err);
  r.get(q.after_exit);
  r.get(q.after_start);
  r.get(q.health.interval_ms);
  r.get(q.health.start_interval_ms);
  r.get(q.health.start_period_ms);
  r.get(q.health.verb);
  r.get(q.release_dir);
  r.get(q.release_by_verb);
  r.get(q.port_targets);
  return q;
}

std::string encode_status(const StatusRecord& s) {
  RecordWriter w;
  w.put(status_magic);
  w.put(s.phase);
  put_process(w, s.shim);
  put_process(w, s.process);
  w.put(s.started.ns);
  w.put(s.finished.ns);
  w.put(s.exit_code);
  w.put(s.oom_killed);
  w.put(s.error);
  w.put(s.delay_ms);
  return w.take();
}

StatusRecord decode_status(std::string_view bytes) {
  RecordReader r(bytes);
  StatusRecord s;
  bool known = r.get<std::uint32_t>() == status_magic;
  r.get(s.phase);
  if (!known || s.phase < Phase::starting || s.phase > Phase::restarting)
    throw Error(ErrorCode::data_loss, "record is damaged");
  s.shim = get_process(r);
  s.process = get_process(r);
  r.get(s.started.ns);
  r.get(s.finished.ns);
  r.get(s.exit_code);
  r.get(s.oom_killed);
  r.get(s.error);
  r.get(s.delay_ms);
  return s;
}

}  // namespace servin::shim
