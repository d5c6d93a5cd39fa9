// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/handshake.h"

#include <cerrno>
#include <cstring>

#include "base/error_record.h"
#include "base/strings.h"

namespace servin::runtime {
namespace {

constexpr std::size_t max_message = 64U << 10U;

std::string head_bytes(init::MessageKind kind, std::uint32_t number) {
  init::MessageHead head{kind, number};
  return std::string(reinterpret_cast<const char*>(&head), sizeof head);
}

std::string_view step_words(init::Step step) {
  switch (step) {
    case init::Step::record:
      return "read the start record";
    case init::Step::session:
      return "start a session";
    case init::Step::terminal:
      return "take the terminal";
    case init::Step::limits:
      return "set a resource limit";
    case init::Step::bounding:
      return "drop capabilities from the bounding set";
    case init::Step::groups:
      return "set the supplementary groups";
    case init::Step::gid:
      return "set the group";
    case init::Step::uid:
      return "set the user";
    case init::Step::privileges:
      return "set no_new_privs";
    case init::Step::capabilities:
      return "set capabilities";
    case init::Step::seccomp:
      return "load the seccomp filter";
    case init::Step::descriptors:
      return "close descriptors";
    case init::Step::cgroup:
      return "join the container's cgroup";
    case init::Step::namespaces:
      return "join the container's namespaces";
    case init::Step::clone:
      return "start a process";
    case init::Step::oom_score:
      return "set the oom score";
    case init::Step::parent_gone:
      return "start: the supervisor is gone";
    default:
      return "start";
  }
}

Error not_executable(const std::string& command, int err, std::string_view why, std::string hint) {
  return error(ErrorCode::permission_denied, "command {} cannot be executed: {}", quoted(command), why)
      .with_errno(err)
      .with_id("E-COMMAND-NOT-EXECUTABLE")
      .with_hint(std::move(hint));
}

Error execute_error(const init::Failure& f, const std::string& command) {
  if (f.step == init::Step::interpreter)
    return not_executable(
        command, f.err, "its interpreter or loader does not exist in the container",
        "look at its first line (does it end as on Windows, in CR LF?), or whether it was built for another C library");
  if (f.err == ENOENT || f.err == ENOTDIR)
    return error(ErrorCode::not_found, "command {} is not in the container", quoted(command))
        .with_errno(f.err)
        .with_id("E-COMMAND-NOT-FOUND")
        .with_hint("check the spelling, the image, and PATH inside the container");
  if (f.err == ENOEXEC)
    return not_executable(command, f.err, "it is no program for this machine",
                          "it was built for another processor, or is a script without a #! line");
  if (f.err == EACCES)
    return not_executable(command, f.err, "permission denied",
                          "it is a folder, has no x bit for this user, or lies on a noexec mount");
  return not_executable(command, f.err, errno_text(f.err), "");
}

}  // namespace

Error failure_error(const init::Failure& f, const std::string& command, const std::string& cwd) {
  if (f.step == init::Step::execute || f.step == init::Step::interpreter) return execute_error(f, command);
  if (f.step == init::Step::working_dir)
    return errno_error(f.err, "enter the working directory " + quoted(cwd))
        .with_id("E-WORKDIR")
        .with_hint("choose another one with -w");
  if (f.step == init::Step::working_dir_outside)
    return error(ErrorCode::permission_denied, "the working directory {} lies outside of the container", quoted(cwd))
        .with_id("E-WORKDIR")
        .with_hint("choose another one with -w");
  return errno_error(f.err, std::string(step_words(f.step)));
}

void Handshake::send(init::MessageKind kind, std::string_view payload, const Fd* fd) {
  std::string bytes = head_bytes(kind, number_++);
  bytes += payload.substr(0, max_message - bytes.size());
  send_with_fds(socket_, bytes, &fd, fd != nullptr ? 1 : 0);
}

void Handshake::send_error(const Error& e) { send(init::MessageKind::error, encode_error(e), nullptr); }

void Handshake::send_terminal(const Fd& master) { send(init::MessageKind::terminal, "", &master); }
void Handshake::send_ready() { send(init::MessageKind::ready, "", nullptr); }
void Handshake::send_go() { send_with_fds(socket_, "go", nullptr, 0); }
bool Handshake::wait_for_go() { return !receive_with_fds(socket_, 16).data.empty(); }

std::optional<Handshake::Message> Handshake::receive(const std::string& command, const std::string& cwd) {
  Received got = receive_with_fds(socket_, max_message);
  if (got.data.empty()) return std::nullopt;
  init::MessageHead head{};
  if (got.data.size() < sizeof head) throw Error(ErrorCode::internal, "handshake: a message is too short");
  std::memcpy(&head, got.data.data(), sizeof head);
  if (head.number != number_)
    throw error(ErrorCode::internal, "handshake: message {} came where {} was expected", head.number, number_);
  ++number_;
  std::string_view payload = std::string_view(got.data).substr(sizeof head);
  if (head.kind == init::MessageKind::error) throw decode_error(payload);
  if (head.kind == init::MessageKind::failure) {
    init::Failure f{};
    if (got.data.size() != sizeof f) throw Error(ErrorCode::internal, "handshake: a failure of the wrong size");
    std::memcpy(&f, got.data.data(), sizeof f);
    throw failure_error(f, command, cwd);
  }
  Message m{head.kind, Fd()};
  if (got.fd_count > 0) m.fd = std::move(got.fds[0]);
  if (head.kind == init::MessageKind::joined) {
    init::Joined joined{};
    if (got.data.size() != sizeof joined) throw Error(ErrorCode::internal, "handshake: a pid of the wrong size");
    std::memcpy(&joined, got.data.data(), sizeof joined);
    m.pid = joined.pid;
  }
  return m;
}

}  // namespace servin::runtime
