// SPDX-License-Identifier: Apache-2.0
#include "engine/local/event_stream.h"

#include <cstdlib>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/event.h"
#include "os/file.h"
#include "os/journal.h"

namespace servin::engine {
namespace {

class Journal : public ::testing::Test {
 protected:
  Journal() {
    char name[] = "/tmp/servin-test-XXXXXX";
    dir_ = ::mkdtemp(name);
    path_ = dir_ + "/events";
  }
  ~Journal() override { remove_tree(dir_); }

  void append(std::int64_t time, const std::string& id, std::uint64_t limit = journal_limit) {
    append_lines(path_, event_line({{time}, "container", "start", id, {{"name", "web"}}}), limit);
  }
  static Time soon() { return {now().ns + 20'000'000'000}; }  // for a wait that would hang otherwise
  static std::vector<std::string> ids(EventStream& stream) {
    std::vector<std::string> found;
    stream.read([&](const Event& e) { found.push_back(e.id); });
    return found;
  }
  std::string dir_, path_;
};

TEST(EventLine, ComesBack) {
  EventRecord record{{42}, "container", "exec_start: sh -c \"x\"\n", "id", {{"a\"b", "{\"time\":1}"}, {"k", "\xff"}}};
  auto event = parse_event(event_line(record));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->time.ns, 42);
  EXPECT_EQ(event->action, record.action);
  EXPECT_EQ(event->attributes.at("a\"b"), "{\"time\":1}");
  EXPECT_EQ(event->attributes.at("k"), "\\xff");
}

TEST(EventLine, ATornRecordInFrontIsSkippedAndDamageIsNone) {
  std::string whole = event_line({{7}, "volume", "create", "data", {}});
  EXPECT_EQ(parse_event(whole.substr(0, 30) + whole)->id, "data");
  for (std::string_view line : {"", "x", "{\"time\":", "{\"time\":1}", "{\"time\":\"1\",\"type\":1}"})
    EXPECT_FALSE(parse_event(line)) << line;
}

TEST(EventLine, LabelsHaveALimit) {
  std::map<std::string, std::string> many;
  for (int i = 0; i < 1000; ++i) many["label" + std::to_string(i)] = std::string(100, 'x');
  std::string members = event_members(many, 4096);
  EXPECT_LE(members.size(), 4096U);
  EXPECT_TRUE(parse_event(event_line({1}, "container", "start", "id", members)));
}

TEST_F(Journal, FollowsFromNowOnOverItsBirthAndRotations) {
  EventStream stream(path_, false);
  EXPECT_TRUE(ids(stream).empty());
  append(1, "one");
  ASSERT_TRUE(stream.wait(soon()));
  EXPECT_EQ(ids(stream), std::vector<std::string>{"one"});
  EXPECT_TRUE(ids(stream).empty());
  for (int i = 0; i < 50; ++i) {  // each line is over the limit: each is a file of its own
    append(2 + i, std::to_string(i), 10);
    ASSERT_TRUE(stream.wait(soon()));
    EXPECT_EQ(ids(stream), std::vector<std::string>{std::to_string(i)});
  }
  EXPECT_EQ(list_dir(dir_), std::vector<std::string>{"events.1"});
}

TEST_F(Journal, HistoryHasBothFilesAndIsBounded) {
  for (int i = 0; i < 100; ++i) append(i + 1, std::to_string(i), 2000);
  EventStream stream(path_, true);
  auto found = ids(stream);
  ASSERT_GT(found.size(), 20U);
  EXPECT_LT(found.size(), 70U);
  EXPECT_EQ(found.back(), "99");
  for (std::size_t i = 1; i < found.size(); ++i) EXPECT_EQ(std::stoi(found[i]), std::stoi(found[i - 1]) + 1);
}

TEST_F(Journal, StepsBackBetweenTwoWritersAreNoneAndAClockThatWasSetIsOne) {
  append(5'000'000'000, "a");
  append(4'999'999'000, "b");
  append(1'000'000'000, "c");
  std::vector<std::int64_t> times;
  EventStream(path_, true).read([&](const Event& e) { times.push_back(e.time.ns); });
  EXPECT_EQ(times, (std::vector<std::int64_t>{5'000'000'000, 5'000'000'000, 1'000'000'000}));
}

TEST_F(Journal, ManyWritersAtOnceLoseNothing) {
  constexpr int writers = 8;
  constexpr int each = 250;
  for (int w = 0; w < writers; ++w) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) continue;
    for (int i = 0; i < each; ++i) append(1, std::to_string(w) + "-" + std::to_string(i));
    ::_exit(0);
  }
  for (int w = 0; w < writers; ++w) ::wait(nullptr);
  EventStream stream(path_, true);
  std::map<char, int> next;
  std::size_t count = 0;
  for (const auto& id : ids(stream)) {
    EXPECT_EQ(std::stoi(id.substr(2)), next[id[0]]++);
    ++count;
  }
  EXPECT_EQ(count, std::size_t{writers * each});
}

TEST_F(Journal, EndsAtItsTimeAndWithItsFolder) {
  EventStream stream(path_, false);
  EXPECT_TRUE(stream.wait(Time{1}));  // long ago
  remove_tree(dir_);
  EXPECT_FALSE(stream.wait(soon()));
}

}  // namespace
}  // namespace servin::engine
