// SPDX-License-Identifier: Apache-2.0
#include "base/error_record.h"

#include "base/record.h"

namespace servin {
namespace {

constexpr std::size_t longest_message = 16U << 10U;
constexpr std::size_t longest_hint = 4U << 10U;

Error decode(std::string_view bytes) {
  RecordReader r(bytes);
  auto code = r.get<ErrorCode>();
  if (code < ErrorCode::invalid_argument || code > ErrorCode::internal) code = ErrorCode::internal;
  auto number = r.get<std::int32_t>();
  Error e(code, r.get<std::string>());
  e.with_errno(number).with_hint(r.get<std::string>());
  auto id = r.get<std::string>();
  return e.with_id(id);
}

}  // namespace

std::string encode_error(const Error& error) {
  RecordWriter w;
  w.put(error.code());
  w.put(static_cast<std::int32_t>(error.sys_errno()));
  w.put(error.message().substr(0, longest_message));
  w.put(error.hint().substr(0, longest_hint));
  w.put(error.id());
  return w.take();
}

Error decode_error(std::string_view bytes) {
  try {
    return decode(bytes);
  } catch (const Error&) {
    return Error(ErrorCode::internal, "a process of servin failed, and its report is damaged");
  }
}

}  // namespace servin
