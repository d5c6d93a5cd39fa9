// SPDX-License-Identifier: Apache-2.0
#include "network/dns/ready.h"

#include "base/record.h"

namespace servin::dns {

std::string encode_error(const Error& e) {
  RecordWriter w;
  w.put(e.code());
  w.put(static_cast<std::int32_t>(e.sys_errno()));
  w.put(e.message());
  w.put(e.hint());
  w.put(e.id());
  return w.take();
}

Error decode_error(std::string_view bytes) {
  RecordReader r(bytes);
  auto code = r.get<ErrorCode>();
  if (code < ErrorCode::invalid_argument || code > ErrorCode::internal) code = ErrorCode::internal;
  auto number = r.get<std::int32_t>();
  Error e(code, r.get<std::string>());
  e.with_errno(number).with_hint(r.get<std::string>());
  auto id = r.get<std::string>();
  return e.with_id(id);
}

}  // namespace servin::dns
