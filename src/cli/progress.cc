// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/listing.h"

namespace servin::cli {
namespace {

constexpr std::int64_t repaint_ns = 100'000'000;  // 10 Hz
constexpr std::int64_t plain_ns = 5'000'000'000;  // a long step says that it lives
constexpr std::int64_t second_ns = 1'000'000'000;

std::string key_of(const engine::Progress& p) { return p.step + "\t" + p.object; }

/// What is known of one step since it was first seen.
struct Step {
  engine::Progress last;
  std::int64_t begun = 0;
  std::int64_t shown = 0;
};

class Silent final : public ProgressView {
 public:
  void show(const engine::Progress& /*progress*/) override {}
  void finish() override {}
};

std::string amount(const engine::Progress& p) {
  if (p.total == 0) return human_size(p.done);
  return fmt::format("{} / {}", human_size(p.done), human_size(p.total));
}

/// "12.3MB/s, 4s left"; empty until there is something to say.
std::string speed(const engine::Progress& p, std::int64_t elapsed) {
  if (elapsed < repaint_ns || p.done == 0) return "";
  double rate = static_cast<double>(p.done) * 1e9 / static_cast<double>(elapsed);
  std::string text = human_size(static_cast<std::uint64_t>(rate)) + "/s";
  if (p.total <= p.done || p.finished) return text;
  auto left = static_cast<std::int64_t>(static_cast<double>(p.total - p.done) / rate * 1e9);
  return text + ", " + format_duration((left + second_ns - 1) / second_ns * second_ns) + " left";
}

std::string bar(const engine::Progress& p) {
  constexpr std::size_t width = 20;
  if (p.total == 0) return "";
  std::size_t full = static_cast<std::size_t>(std::min(p.done, p.total) * width / p.total);
  return "[" + std::string(full, '=') + std::string(width - full, ' ') + "] ";
}

class Terminal final : public ProgressView {
 public:
  Terminal(Output& err, std::function<std::int64_t()> clock) : err_(err), clock_(std::move(clock)) {}

  void show(const engine::Progress& progress) override {
    std::int64_t now = clock_();
    auto [at, added] = steps_.try_emplace(key_of(progress));
    if (added) {
      at->second.begun = now;
      order_.push_back(at->first);
    }
    at->second.last = progress;
    bool due = now - painted_ >= repaint_ns || painted_ == 0;
    if (due || progress.finished) paint(now);
  }

  void finish() override {
    if (lines_ > 0) paint(clock_());
    lines_ = 0;
  }

 private:
  /// At most as many lines as fit a small terminal: the newest.
  void paint(std::int64_t now) {
    painted_ = now;
    std::string text;
    if (lines_ > 0) text += fmt::format("\x1b[{}A", lines_);
    std::size_t first = order_.size() > max_lines ? order_.size() - max_lines : 0;
    std::size_t count = 0;
    for (std::size_t i = first; i < order_.size(); ++i, ++count) {
      text += "\r" + line(steps_.at(order_[i]), now) + "\x1b[K\n";
    }
    lines_ = count;
    err_.write(text);
    err_.flush();
  }

  std::string line(const Step& step, std::int64_t now) const {
    const engine::Progress& p = step.last;
    std::string head = fmt::format("{} {}  ", printable(p.step), printable(p.object));
    std::string tail = fmt::format("{}  {}", amount(p), p.finished ? "done" : speed(p, now - step.begun));
    unsigned columns = err_.columns();
    // The numbers say more than the bar: on a narrow terminal it is the bar that goes.
    std::string text = head + bar(p) + tail;
    if (display_width(text) >= columns) text = head + tail;
    return ellipsis(text, columns > 1 ? columns - 1 : 1);
  }

  static constexpr std::size_t max_lines = 10;
  Output& err_;
  std::function<std::int64_t()> clock_;
  std::map<std::string, Step> steps_;
  std::vector<std::string> order_;
  std::size_t lines_ = 0;
  std::int64_t painted_ = 0;
};

/// One line when a step has ended; a long one speaks every 5 seconds.
class Plain final : public ProgressView {
 public:
  Plain(Output& err, std::function<std::int64_t()> clock) : err_(err), clock_(std::move(clock)) {}

  void show(const engine::Progress& p) override {
    std::int64_t now = clock_();
    auto [at, added] = steps_.try_emplace(key_of(p));
    Step& step = at->second;
    if (added) step.begun = step.shown = now;
    if (step.last.finished) return;
    step.last = p;
    if (!p.finished && now - step.shown < plain_ns) return;
    step.shown = now;
    std::string tail = p.finished ? "done in " + format_duration((now - step.begun) / 1'000'000 * 1'000'000)
                                  : speed(p, now - step.begun);
    err_.line(fmt::format("{} {}: {}, {}", printable(p.step), printable(p.object), amount(p), tail));
    err_.flush();
  }
  void finish() override {}

 private:
  Output& err_;
  std::function<std::int64_t()> clock_;
  std::map<std::string, Step> steps_;
};

class Json final : public ProgressView {
 public:
  Json(Output& err, std::function<std::int64_t()> clock) : err_(err), clock_(std::move(clock)) {}

  void show(const engine::Progress& p) override {
    std::int64_t now = clock_();
    auto [at, added] = steps_.try_emplace(key_of(p));
    if (added) at->second.begun = now;
    err_.line(fmt::format(R"({{"step":{},"name":{},"bytes":{},"total":{},"ms":{},"finished":{}}})", quoted(p.step),
                          quoted(p.object), p.done, p.total, (now - at->second.begun) / 1'000'000, p.finished));
    err_.flush();
  }
  void finish() override {}

 private:
  Output& err_;
  std::function<std::int64_t()> clock_;
  std::map<std::string, Step> steps_;
};

}  // namespace

ProgressStyle progress_style(const std::string& word, bool terminal) {
  if (word == "tty") return ProgressStyle::tty;
  if (word == "plain") return ProgressStyle::plain;
  if (word == "json") return ProgressStyle::json;
  if (word == "quiet" || word == "none") return ProgressStyle::none;
  const char* term = std::getenv("TERM");
  bool dumb = term != nullptr && std::string_view(term) == "dumb";
  return terminal && !dumb ? ProgressStyle::tty : ProgressStyle::none;
}

std::unique_ptr<ProgressView> make_progress(Output& err, ProgressStyle style, std::function<std::int64_t()> clock_ns) {
  switch (style) {
    case ProgressStyle::tty:
      return std::make_unique<Terminal>(err, std::move(clock_ns));
    case ProgressStyle::plain:
      return std::make_unique<Plain>(err, std::move(clock_ns));
    case ProgressStyle::json:
      return std::make_unique<Json>(err, std::move(clock_ns));
    case ProgressStyle::none:
      return std::make_unique<Silent>();
  }
  return std::make_unique<Silent>();
}

std::unique_ptr<ProgressView> progress_of(Context& context, const Parsed& parsed) {
  std::string word = parsed.value_or("progress", "");
  if (const char* variable = std::getenv("SERVIN_PROGRESS"); word.empty() && variable != nullptr) word = variable;
  if (parsed.flag("quiet")) word = "none";
  return make_progress(context.err, progress_style(word, context.err.is_terminal()), monotonic_ns);
}

}  // namespace servin::cli
