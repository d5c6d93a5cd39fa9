// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace servin::cli {
namespace {

using testing::HasSubstr;

constexpr std::int64_t second = 1'000'000'000;

struct Screen {
  std::int64_t now = second;
  Output err{-1};
  std::unique_ptr<ProgressView> view;

  explicit Screen(ProgressStyle style) {
    err.pretend_terminal(80);
    view = make_progress(err, style, [this] { return now; });
  }
  void show(std::uint64_t done, std::uint64_t total, bool finished = false) {
    view->show({"unpacking", "layer 3f2a", done, total, finished});
  }
};

TEST(Progress, StyleFollowsTheTerminal) {
  setenv("TERM", "xterm", 1);
  EXPECT_EQ(progress_style("", true), ProgressStyle::tty);
  EXPECT_EQ(progress_style("auto", false), ProgressStyle::none);
  EXPECT_EQ(progress_style("plain", true), ProgressStyle::plain);
  EXPECT_EQ(progress_style("quiet", true), ProgressStyle::none);
  setenv("TERM", "dumb", 1);
  EXPECT_EQ(progress_style("auto", true), ProgressStyle::none);
}

TEST(Progress, TerminalRepaintsAtMostTenTimesASecond) {
  Screen screen(ProgressStyle::tty);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    screen.show(i * 1000, 1'000'000);
    screen.now += second / 1000;
  }
  std::string text = screen.err.text();
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 11);
  EXPECT_THAT(text, HasSubstr("[="));
  EXPECT_THAT(text, HasSubstr("/s"));
}

TEST(Progress, RateAndRemainingTime) {
  Screen screen(ProgressStyle::tty);
  screen.show(0, 100'000'000);
  screen.now += 2 * second;
  screen.show(50'000'000, 100'000'000);
  EXPECT_THAT(screen.err.text(), HasSubstr("25MB/s, 2s left"));
  screen.now += 2 * second;
  screen.show(100'000'000, 100'000'000, true);
  screen.view->finish();
  EXPECT_THAT(screen.err.text(), HasSubstr("done"));
}

TEST(Progress, PlainIsOneLineAStepWithoutControls) {
  Screen screen(ProgressStyle::plain);
  for (std::uint64_t i = 0; i < 40; ++i) {
    screen.show(i * 1000, 40'000);
    screen.now += second / 4;
  }
  screen.show(40'000, 40'000, true);
  screen.show(40'000, 40'000, true);
  EXPECT_EQ(std::count(screen.err.text().begin(), screen.err.text().end(), '\n'), 2);  // after 5 s, and the end
  EXPECT_EQ(screen.err.text().find_first_of("\x1b\r"), std::string::npos);
  EXPECT_THAT(screen.err.text(), HasSubstr("unpacking layer 3f2a: 40kB / 40kB, done in 10s"));
}

TEST(Progress, JsonLines) {
  Screen screen(ProgressStyle::json);
  screen.show(5, 10);
  screen.now += second;
  screen.show(10, 10, true);
  EXPECT_EQ(screen.err.text(),
            R"({"step":"unpacking","name":"layer 3f2a","bytes":5,"total":10,"ms":0,"finished":false})"
            "\n"
            R"({"step":"unpacking","name":"layer 3f2a","bytes":10,"total":10,"ms":1000,"finished":true})"
            "\n");
}

TEST(Progress, NoneSaysNothing) {
  Screen screen(ProgressStyle::none);
  screen.show(10, 10, true);
  screen.view->finish();
  EXPECT_EQ(screen.err.text(), "");
}

}  // namespace
}  // namespace servin::cli
