// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cctype>
#include <cerrno>
#include <cstring>

namespace servin {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::failed_precondition:
      return "failed_precondition";
    case ErrorCode::permission_denied:
      return "permission_denied";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::data_loss:
      return "data_loss";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

ErrorCode code_from_errno(int err) {
  switch (err) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::already_exists;
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY:
      return ErrorCode::conflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission_denied;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
      return ErrorCode::unsupported;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return ErrorCode::unavailable;
    case ETIMEDOUT:
      return ErrorCode::timeout;
    case EINTR:
    case ECANCELED:
      return ErrorCode::cancelled;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return ErrorCode::resource_exhausted;
    case EIO:
    case EBADMSG:
      return ErrorCode::data_loss;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case E2BIG:
    case ERANGE:
    case EISDIR:
      return ErrorCode::invalid_argument;
    default:
      return ErrorCode::internal;
  }
}

std::string errno_text(int err) {
  char buffer[128];
  std::string text = strerror_r(err, buffer, sizeof buffer);
  // "No such file" becomes "no such file", but "RPC struct is bad" keeps its capitals.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0)
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  else if (text.size() > 2 && text[1] == ' ')
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

Error errno_error(int err, std::string text) {
  Error e(code_from_errno(err), std::move(text) + ": " + errno_text(err));
  e.with_errno(err);
  if (err == ENOSPC || err == EDQUOT)
    e.with_id("E-DISK-FULL").with_hint("free space, for example with: servin image prune -a");
  return e;
}

int detail::current_errno() { return errno; }

}  // namespace servin
