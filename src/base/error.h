// SPDX-License-Identifier: Apache-2.0
// The one exception type. Messages are lower case, without a full stop, and name the object; the hint is the command
// that cures it; the id (E-...) names an entry of the error catalogue (docs/errors.md, `servin help E-...`).
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace servin {

enum class ErrorCode {
  invalid_argument,
  not_found,
  already_exists,
  conflict,             // the object is in a state that forbids this ("container is running")
  failed_precondition,  // something outside the object is missing
  permission_denied,
  unsupported,
  unavailable,  // try again later
  timeout,
  cancelled,
  resource_exhausted,  // disk, memory, pids, descriptors
  data_loss,           // stored bytes do not match their digest, a state file is damaged
  internal,
};

/// "not_found" and so on: the words of logs, JSON and of the records that child processes send.
std::string_view to_string(ErrorCode code);
/// The code for an errno, as one table for the whole program (ENOENT is not_found, ENOSPC is resource_exhausted ...).
ErrorCode code_from_errno(int err);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  /// The errno behind it, 0 when there is none.
  int sys_errno() const { return errno_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  /// Entry of the catalogue, "E-IMAGE-NOT-FOUND"; empty when it has none.
  const std::string& id() const { return id_; }
  const char* what() const noexcept override { return message_.c_str(); }

  Error& with_errno(int err) { return errno_ = err, *this; }
  Error& with_hint(std::string hint) { return hint_ = std::move(hint), *this; }
  Error& with_id(std::string_view id) { return id_ = id, *this; }
  /// Puts "context: " before the message: `throw e.context("mount /proc")` reads "mount /proc: permission denied".
  Error& context(std::string_view where) { return message_ = std::string(where) + ": " + message_, *this; }

 private:
  ErrorCode code_;
  int errno_ = 0;
  std::string message_;
  std::string hint_;
  std::string id_;
};

/// Error{code, formatted message}.
template <typename... T>
Error error(ErrorCode code, fmt::format_string<T...> text, T&&... args) {
  return Error(code, fmt::format(text, std::forward<T>(args)...));
}

/// "text: no space left on device", with the code that belongs to `err` (an errno).
Error errno_error(int err, std::string text);

/// Throws errno_error(errno, formatted text).
template <typename... T>
[[noreturn]] void throw_errno(fmt::format_string<T...> text, T&&... args);

/// The system's words for an errno, lower case at the start.
std::string errno_text(int err);

namespace detail {
int current_errno();
}
template <typename... T>
[[noreturn]] void throw_errno(fmt::format_string<T...> text, T&&... args) {
  int err = detail::current_errno();
  throw errno_error(err, fmt::format(text, std::forward<T>(args)...));
}

}  // namespace servin
