// SPDX-License-Identifier: Apache-2.0
#include "cli/context.h"

#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/catalogue.h"

namespace servin::cli {

Output::Output(int fd) : fd_(fd), terminal_(fd >= 0 && isatty(fd) == 1) {}

Output::~Output() { flush(); }

void Output::write(std::string_view text) {
  buffer_ += text;
  if (fd_ >= 0 && buffer_.size() >= 64U << 10U) flush();
}

void Output::flush() {
  if (fd_ < 0) return;
  std::string_view left = buffer_;
  while (!left.empty()) {
    ssize_t done = ::write(fd_, left.data(), left.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) {  // somebody made the pipe non-blocking
      pollfd p{fd_, POLLOUT, 0};
      ::poll(&p, 1, -1);
      continue;
    }
    if (done <= 0) {
      if (done < 0 && errno != EPIPE) failed_ = errno;  // EPIPE: nobody wants to read any more
      break;
    }
    left.remove_prefix(static_cast<std::size_t>(done));
  }
  buffer_.clear();
}

unsigned Output::columns() const {
  if (columns_ != 0) return columns_;
  if (const char* text = std::getenv("COLUMNS")) {
    if (auto number = parse_u64(text); number && *number > 0 && *number < 10000) return static_cast<unsigned>(*number);
  }
  winsize size{};
  if (fd_ >= 0 && ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

engine::Engine& Context::engine() {
  if (engine_) return *engine_;
  // The euid decides what the kernel lets us do; --dev and --isolation none ask for what needs no root.
  if (geteuid() != 0 && !global.dev && global.isolation != "none") {
    throw Error(ErrorCode::permission_denied, "this command requires root privileges")
        .with_id("E-NOT-ROOT")
        .with_hint("run it with sudo, or with --dev: without isolation, as an ordinary process");
  }
  engine_ = make_engine(global);
  return *engine_;
}

engine::Isolation Context::isolation(const std::string& asked) {
  const std::string& text = asked.empty() ? global.isolation : asked;
  if (text == "vm") {
    throw Error(ErrorCode::unsupported, "--isolation vm: machines are not built yet")
        .with_id("E-NOT-BUILT")
        .with_hint("use --isolation namespace");
  }
  bool none = text == "none" || (text.empty() && global.dev && geteuid() != 0);
  if (!none) return engine::Isolation::namespaces;
  note("no isolation: the program runs as an ordinary process of this host");
  return engine::Isolation::none;
}

void Context::note(std::string_view text) {
  out.flush();
  err.line("servin: " + printable(text));
  err.flush();
}

bool Context::confirm(std::string_view question) {
  out.flush();
  err.write(question);
  err.write(" [y/N] ");
  err.flush();
  std::string line;
  char c = 0;
  while (line.size() < 16) {
    ssize_t got = ::read(0, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') break;
    line += c;
  }
  std::string answer = lower(trim(line));
  return answer == "y" || answer == "yes";
}

void print_error(Output& err, const Error& error) {
  err.line("servin: " + printable(error.message(), true));
  std::string_view hint = error.hint();
  const CatalogueEntry* entry = error.id().empty() ? nullptr : find_entry(error.id());
  if (hint.empty() && entry != nullptr) hint = entry->cure;
  if (!hint.empty()) err.line("  " + printable(hint, true));
  if (entry != nullptr) err.line("  more: servin help " + error.id());
  err.flush();
}

int exit_code_of(const Error& error) {
  if (error.id() == "E-COMMAND-NOT-FOUND") return 127;
  if (error.id() == "E-COMMAND-NOT-EXECUTABLE") return 126;
  // As with the command itself: not there, or there and of no use.
  if (error.id() == "E-WORKDIR" && error.code() != ErrorCode::invalid_argument)
    return error.code() == ErrorCode::not_found ? 127 : 126;
  return 125;
}

}  // namespace servin::cli
