// SPDX-License-Identifier: Apache-2.0
// Progress of load and save on stderr: lines that repaint on a terminal, one line a step elsewhere, JSON lines for
// programs.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/command.h"
#include "cli/context.h"

namespace servin::cli {

enum class ProgressStyle { tty, plain, json, none };

/// --progress auto|tty|plain|json|quiet|none. auto: tty on a terminal (unless TERM=dumb), none elsewhere.
ProgressStyle progress_style(const std::string& word, bool terminal);

class ProgressView {
 public:
  virtual ~ProgressView() = default;
  virtual void show(const engine::Progress& progress) = 0;
  /// Leaves the screen clean for what follows.
  virtual void finish() = 0;
};

/// `clock_ns`: a monotonic clock (tests bring their own).
std::unique_ptr<ProgressView> make_progress(Output& err, ProgressStyle style, std::function<std::int64_t()> clock_ns);

inline constexpr OptionSpec progress_option = {.names = "--progress",
                                               .value = "STYLE",
                                               .help = "auto, tty, plain, json, quiet or none ($SERVIN_PROGRESS)",
                                               .complete = Complete::choice,
                                               .choices = "auto|tty|plain|json|quiet|none"};
/// By --progress, --quiet and $SERVIN_PROGRESS.
std::unique_ptr<ProgressView> progress_of(Context& context, const Parsed& parsed);

}  // namespace servin::cli
