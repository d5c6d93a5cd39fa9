// SPDX-License-Identifier: Apache-2.0
#include "engine/local/attachment.h"

#include <csignal>

#include "base/log.h"
#include "os/file.h"

namespace servin::engine {

void ShimAttachment::signal(int number) {
  bool ends = number == SIGINT || number == SIGTERM || number == SIGQUIT || number == SIGKILL;
  if (ends && !stopped_mark_.empty()) {
    try {
      write_file(stopped_mark_, "");
    } catch (const Error& e) {
      log::debug("{}", e.what());  // it was removed at this moment
    }
  }
  client_.signal(number);
}

std::optional<Attachment::Event> ShimAttachment::next() {
  if (given_ < first_.size()) return std::move(first_[given_++]);
  auto frame = client_.next();
  if (!frame) {
    if (!client_.closed()) return std::nullopt;
    return Event{};
  }
  Event event;
  switch (frame->kind) {
    case shim::Client::Kind::started:
    case shim::Client::Kind::failed:
      return next();
    case shim::Client::Kind::out:
      event.kind = Kind::out;
      event.bytes = std::move(frame->bytes);
      return event;
    case shim::Client::Kind::err:
      event.kind = Kind::err;
      event.bytes = std::move(frame->bytes);
      return event;
    case shim::Client::Kind::exited:
      if (drop_record_ && drop_record_()) client_.release();
      event.kind = Kind::exited;
      event.exit = {frame->exit_code, frame->oom_killed, frame->status.error};
      return event;
  }
  return std::nullopt;
}

}  // namespace servin::engine
