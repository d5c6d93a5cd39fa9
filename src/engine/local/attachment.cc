// SPDX-License-Identifier: Apache-2.0
#include "engine/local/attachment.h"

namespace servin::engine {

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
