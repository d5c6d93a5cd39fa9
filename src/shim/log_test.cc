// SPDX-License-Identifier: Apache-2.0
// Log records, the writer with its rotation, and the reader, without a container.
#include <cstdlib>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/strings.h"
#include "os/file.h"
#include "shim/client/log_file.h"
#include "shim/client/log_reader.h"
#include "shim/json_line.h"
#include "shim/log_writer.h"

namespace servin::shim {
namespace {

using Stream = LogWriter::Stream;
using testing::ElementsAre;

constexpr Time moment{1'764'230'400'123'456'789};

std::string encode(std::string_view text, std::string_view stream = "stdout") {
  std::string out(record_bound(text.size()), '\0');
  out.resize(encode_json_line(out.data(), text, stream, moment));
  return out;
}

class LogTest : public testing::Test {
 protected:
  LogTest() {
    char name[] = "/tmp/servin-log-test-XXXXXX";
    dir_ = ::mkdtemp(name);
    path_ = dir_ + "/log";
  }
  ~LogTest() override { remove_tree(dir_); }

  void write(std::string_view bytes, LogConfig config = {}) {
    config.path = path_;
    LogWriter writer(config);
    writer.write(Stream::out, bytes, moment);
    writer.finish(moment);
  }
  std::vector<std::string> read(const LogQuery& q = {}) {
    std::vector<std::string> texts;
    read_log(path_, dir_, q, [&](const LogRecord& r) {
      texts.push_back(r.text);
      return true;
    });
    return texts;
  }
  std::string all(const LogQuery& q = {}) { return join(read(q), ""); }

  std::string dir_, path_;
};

TEST(JsonLine, LooksAsDockerWritesIt) {
  EXPECT_EQ(encode("hi\n"), "{\"log\":\"hi\\n\",\"stream\":\"stdout\",\"time\":\"2025-11-27T08:00:00.123456789Z\"}\n");
  EXPECT_TRUE(encode("\"\\\r\t<&>\x7f\xe2\x80\xa8")
                  .starts_with(R"({"log":"\"\\\r\u0009\u003c\u0026\u003e)"
                               "\x7f\\u2028\""));
}

TEST(JsonLine, EveryByteComesBack) {
  std::string text;
  unsigned seed = 1;
  for (int i = 0; i < 200'000; ++i) text += static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24U);
  text += "äöü€𝄞\xf4\x8f\xbf\xbf\xed\xa0\x80\xc0\x80\xe2\x82";
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    std::string part = text.substr(at, 1000);
    std::string line = encode(part, "stderr");
    ASSERT_EQ(line.find('\n'), line.size() - 1);
    auto record = parse_log_record(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(record);
    ASSERT_EQ(record->text, part);
    ASSERT_TRUE(record->err);
    ASSERT_EQ(record->time, moment);
  }
}

TEST(JsonLine, DamagedLinesAreNoRecords) {
  std::string line = encode("text \xff\n");
  line.pop_back();
  ASSERT_TRUE(parse_log_record(line));
  for (std::size_t cut = 0; cut < line.size(); ++cut) EXPECT_FALSE(parse_log_record(line.substr(0, cut))) << cut;
  EXPECT_FALSE(parse_log_record(line + "x"));
  EXPECT_FALSE(parse_log_record(R"({"log":"a\q","stream":"stdout","time":"2025-11-27T08:00:00Z"})"));
  EXPECT_FALSE(parse_log_record(R"({"log":"a","stream":"other","time":"2025-11-27T08:00:00Z"})"));
  EXPECT_FALSE(parse_log_record(R"({"log":"a","stream":"stdout","time":"yesterday"})"));
}

TEST(JsonLine, IncompleteTail) {
  EXPECT_EQ(incomplete_tail("abc"), 0U);
  EXPECT_EQ(incomplete_tail("ab\xc3"), 1U);
  EXPECT_EQ(incomplete_tail("ab\xe2\x82"), 2U);
  EXPECT_EQ(incomplete_tail("ab\xf0\x9d\x84"), 3U);
  EXPECT_EQ(incomplete_tail("ab\xe2\x82\xac"), 0U);
  EXPECT_EQ(incomplete_tail("ab\xff"), 0U);
  EXPECT_EQ(incomplete_tail("\x80\x80\x80\x80"), 0U);
}

TEST_F(LogTest, LongLinesComeInPartsBetweenCharacters) {
  std::string line(max_part - 1, 'x');
  line += "€uro" + std::string(40'000, 'y') + "\n";
  write(line);
  auto parts = read();
  ASSERT_GE(parts.size(), 3U);
  for (const std::string& part : parts) {
    EXPECT_LE(part.size(), max_part);
    EXPECT_TRUE(valid_utf8(part));
  }
  EXPECT_FALSE(parts[0].ends_with('\n'));
  EXPECT_EQ(join(parts, ""), line);
}

TEST_F(LogTest, LinesMayArriveInPieces) {
  LogConfig config;
  config.path = path_;
  LogWriter writer(config);
  writer.write(Stream::out, "on", moment);
  writer.write(Stream::err, "error\n", moment);
  EXPECT_THAT(read(), ElementsAre("error\n"));
  writer.write(Stream::out, "e\ntw", moment);
  EXPECT_THAT(read(), ElementsAre("error\n", "one\n"));
  writer.finish(moment);
  EXPECT_THAT(read(), ElementsAre("error\n", "one\n", "tw"));
}

TEST_F(LogTest, RotationKeepsEachFileBelowItsSize) {
  LogConfig config;
  config.max_size = 10'000;
  config.max_files = 3;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += fmt::format("line {}\n", i);
  write(text, config);
  for (const char* name : {"", ".1", ".2"}) {
    std::string content = read_file(path_ + name).value_or("");
    EXPECT_LE(content.size(), 10'000U) << name;
    EXPECT_GT(content.size(), *name == '\0' ? 0U : 9'800U) << name;
    EXPECT_TRUE(content.ends_with("\n"));
  }
  EXPECT_FALSE(path_exists(path_ + ".3"));
  std::string kept = all();
  EXPECT_TRUE(text.ends_with(kept));
  EXPECT_GT(kept.size(), 2000U);
}

TEST_F(LogTest, OneFileStartsAgain) {
  LogConfig config;
  config.max_size = 1000;
  std::string text;
  for (int i = 0; i < 100; ++i) text += fmt::format("line {}\n", i);
  write(text, config);
  EXPECT_LE(read_file(path_).value_or("").size(), 1000U);
  EXPECT_FALSE(path_exists(path_ + ".1"));
  EXPECT_TRUE(text.ends_with(all()));
}

TEST_F(LogTest, RestartAppends) {
  write("first\n");
  write("second\n");
  EXPECT_THAT(read(), ElementsAre("first\n", "second\n"));
}

TEST_F(LogTest, FullDiskLosesRecordsWithANoteAndGoesOn) {
  pid_t child = ::fork();  // for a file size limit of its own
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    LogConfig config;
    config.path = path_;
    LogWriter writer(config);
    writer.write(Stream::out, "before\n", moment);
    rlimit limit{300, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 100; ++i) writer.write(Stream::out, "lost or not\n", moment);
    limit.rlim_cur = RLIM_INFINITY;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    writer.write(Stream::out, "after\n", moment);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  auto texts = read();
  ASSERT_GE(texts.size(), 3U);
  EXPECT_EQ(texts.front(), "before\n");
  EXPECT_EQ(texts.back(), "after\n");
  std::size_t kept = texts.size() - 3;
  EXPECT_EQ(texts[texts.size() - 2], fmt::format("servin: {} log records were lost: file too large\n", 100 - kept));
}

TEST_F(LogTest, TailCountsLinesAcrossFiles) {
  LogConfig config;
  config.max_size = 2'000;
  config.max_files = 100;
  std::string text;
  for (int i = 0; i < 500; ++i) text += fmt::format("line {}\n", i);
  text += "unfinished";
  write(text, config);
  auto lines = split(text, '\n');
  for (int tail : {0, 1, 2, 25, 26, 100, 499, 500, 501, 502, 10'000}) {
    LogQuery q;
    q.tail = tail;
    std::string expected;
    for (std::size_t i = lines.size() > static_cast<std::size_t>(tail) ? lines.size() - static_cast<std::size_t>(tail)
                                                                       : 0;
         i < lines.size(); ++i)
      expected += lines[i] + (i + 1 < lines.size() ? "\n" : "");
    EXPECT_EQ(all(q), expected) << tail;
  }
}

TEST_F(LogTest, TailTakesALongLineWhole) {
  std::string line = std::string(50'000, 'x') + "\n";
  write("first\n" + line);
  LogQuery q;
  q.tail = 1;
  EXPECT_EQ(all(q), line);
  q.tail = 2;
  EXPECT_EQ(all(q), "first\n" + line);
}

TEST_F(LogTest, StreamsAndTimesAreChosen) {
  LogConfig config;
  config.path = path_;
  LogWriter writer(config);
  for (int i = 0; i < 10; ++i)
    writer.write(i % 2 == 0 ? Stream::out : Stream::err, fmt::format("{}\n", i), Time{moment.ns + i * 1'000'000'000LL});
  LogQuery q;
  q.out = false;
  EXPECT_EQ(all(q), "1\n3\n5\n7\n9\n");
  q.tail = 2;
  EXPECT_EQ(all(q), "7\n9\n");
  q = {};
  q.since = Time{moment.ns + 3'000'000'000LL};
  q.until = Time{moment.ns + 5'000'000'000LL};
  EXPECT_EQ(all(q), "3\n4\n5\n");
}

TEST_F(LogTest, DamagedLinesAreLeftOut) {
  write("one\n");
  std::string content = read_file(path_).value_or("");
  write_file(path_, content + "garbage\n\n{\"log\":\"cut" + "\n" + content + "{\"log\":\"unfin");
  EXPECT_THAT(read(), ElementsAre("one\n", "one\n"));
  LogQuery q;
  q.tail = 1;
  EXPECT_THAT(read(q), ElementsAre("one\n"));
}

TEST_F(LogTest, NoFileIsAnEmptyLog) { EXPECT_TRUE(read().empty()); }

TEST_F(LogTest, TheSinkCanStop) {
  write("1\n2\n3\n");
  int seen = 0;
  read_log(path_, dir_, {}, [&](const LogRecord&) { return ++seen < 2; });
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace servin::shim
