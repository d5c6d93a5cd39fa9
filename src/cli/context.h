// SPDX-License-Identifier: Apache-2.0
// What a command's handler gets: the global options, the streams and the engine, which is made at first use.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/engine.h"

namespace servin::cli {

struct GlobalOptions {
  std::string root;  // --root or $SERVIN_ROOT; "" = the default
  bool dev = false;
  std::string isolation;  // "", namespace, vm, none
  bool verbose = false;
};

/// Buffered text to a descriptor; in tests it only collects.
class Output {
 public:
  explicit Output(int fd);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text);
  void line(std::string_view text) { write(text), write("\n"); }
  void flush();
  /// errno of a write that failed; 0 = none.
  int failed() const { return failed_; }
  /// Descriptor below; -1 in tests.
  int fd() const { return fd_; }
  bool is_terminal() const { return terminal_; }
  /// Columns of the terminal ($COLUMNS wins), 80 when it does not say.
  unsigned columns() const;
  /// What tests read.
  const std::string& text() const { return buffer_; }
  void pretend_terminal(unsigned columns) { terminal_ = true, columns_ = columns; }

 private:
  int fd_;
  bool terminal_ = false;
  unsigned columns_ = 0;
  int failed_ = 0;
  std::string buffer_;
};

using EngineFactory = std::function<std::unique_ptr<engine::Engine>(const GlobalOptions&)>;

struct Context {
  GlobalOptions global;
  Output out{1};
  Output err{2};
  EngineFactory make_engine;
  bool stdin_terminal = false;

  Context() = default;
  /// For tests: output is collected.
  explicit Context(bool collect) : out(collect ? -1 : 1), err(collect ? -1 : 2) {}

  /// Refuses without root unless --dev lifts that.
  engine::Engine& engine();
  /// The isolation of new containers. Says "no isolation" on stderr when --dev leads to none.
  engine::Isolation isolation(const std::string& asked);
  void note(std::string_view text);
  /// Is there somebody to ask?
  bool can_ask() const { return stdin_terminal && out.is_terminal(); }
  /// Reads a line; true for y and yes.
  bool confirm(std::string_view question);

 private:
  std::unique_ptr<engine::Engine> engine_;
};

/// "servin: what: why", the hint below it, and where to read more.
void print_error(Output& err, const Error& error);
/// 126 and 127 for a program that cannot be executed or found, else 125.
int exit_code_of(const Error& error);

}  // namespace servin::cli
