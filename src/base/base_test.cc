// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/error_record.h"
#include "base/id.h"
#include "base/paths.h"
#include "base/record.h"
#include "base/rollback.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/time.h"

namespace servin {
namespace {

TEST(Error, CarriesContextCodeAndErrno) {
  Error e = errno_error(ENOENT, "open /x");
  e.context("mount /proc");
  EXPECT_EQ(e.message(), "mount /proc: open /x: no such file or directory");
  EXPECT_EQ(e.code(), ErrorCode::not_found);
  EXPECT_EQ(e.sys_errno(), ENOENT);
}

TEST(Error, CrossesAPipeWhole) {
  Error e = error(ErrorCode::timeout, "late").with_errno(EIO).with_hint("wait").with_id("E-LATE");
  Error back = decode_error(encode_error(e));
  EXPECT_EQ(back.code(), ErrorCode::timeout);
  EXPECT_EQ(back.sys_errno(), EIO);
  EXPECT_EQ(back.message(), "late");
  EXPECT_EQ(back.hint(), "wait");
  EXPECT_EQ(back.id(), "E-LATE");
  // One packet, however much somebody else's words are in it.
  std::string most =
      encode_error(Error(ErrorCode::internal, std::string(1U << 20U, 'x')).with_hint(std::string(1U << 20U, 'y')));
  EXPECT_LT(most.size(), 32U << 10U);
  EXPECT_TRUE(decode_error(most).message().starts_with("xxx"));
  std::string whole = encode_error(e);
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(decode_error(whole.substr(0, n)).code(), ErrorCode::internal) << n;
}

TEST(Error, AFullDiskHasAHint) { EXPECT_EQ(errno_error(ENOSPC, "write x").id(), "E-DISK-FULL"); }

TEST(Sizes, ReadsDockersUnits) {
  EXPECT_EQ(parse_size("512m"), 512U << 20U);
  EXPECT_EQ(parse_size("1g"), 1U << 30U);
  EXPECT_EQ(parse_size("1.5KiB"), 1536U);
  EXPECT_EQ(parse_size("100"), 100U);
  EXPECT_EQ(parse_size("1b"), 1U);
  for (const char* bad : {"", "x", "-1", "1q", "1kk", "12mm", "9999999p", "0x10"})
    EXPECT_THROW(parse_size(bad), Error) << bad;
}

TEST(Sizes, PrintsAsDockerDoes) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(1230), "1.23kB");
  EXPECT_EQ(human_size(77'800'000), "77.8MB");
}

TEST(Time, RoundTripsRfc3339) {
  auto t = parse_time("2026-11-27T08:00:00.5+01:00");
  ASSERT_TRUE(t);
  EXPECT_EQ(rfc3339(*t), "2026-11-27T07:00:00.500000000Z");
  EXPECT_EQ(parse_time("1700000000.25")->ns, 1'700'000'000'250'000'000);
  EXPECT_FALSE(parse_time("2026-13-01"));
  EXPECT_FALSE(parse_time("yesterday"));
}

TEST(Time, ReadsAndPrintsDurations) {
  EXPECT_EQ(parse_duration("1h30m"), 5'400'000'000'000);
  EXPECT_EQ(parse_duration("500ms"), 500'000'000);
  EXPECT_EQ(parse_duration("1.5s"), 1'500'000'000);
  EXPECT_EQ(parse_duration("10"), 10'000'000'000);
  for (const char* bad : {"", "x", "1x", "h", "1h-2m", "nan", "inf"}) EXPECT_THROW(parse_duration(bad), Error) << bad;
  EXPECT_EQ(format_duration(5'400'000'000'000), "1h30m0s");
  EXPECT_EQ(format_duration(1'500'000'000), "1.5s");
  EXPECT_EQ(human_duration(7'200'000'000'000), "2 hours");
}

TEST(Ids, AreHexAndNeverANumber) {
  std::string id = new_id();
  EXPECT_TRUE(is_full_id(id));
  EXPECT_NE(id.substr(0, 12).find_first_of("abcdef"), std::string::npos);
  EXPECT_NO_THROW(check_name("container", "web-1.a_b"));
  for (const char* bad : {"", "-a", "a/b", "..", "a b", "\xc3\xa9"})
    EXPECT_THROW(check_name("container", bad), Error) << bad;
}

TEST(DidYouMean, FindsNearWordsOnly) {
  std::vector<std::string> known{"run", "rmi", "start", "restart", "images"};
  EXPECT_EQ(did_you_mean("strat", known), std::vector<std::string>{"start"});
  EXPECT_EQ(did_you_mean("imagse", known), std::vector<std::string>{"images"});
  EXPECT_TRUE(did_you_mean("xyzzy", known).empty());
}

TEST(Printable, LeavesNoControlCharacters) {
  EXPECT_EQ(printable("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"), "\\x9b");
  EXPECT_EQ(printable("\xc3\xa9"), "\xc3\xa9");
}

TEST(Utf8, RefusesOverlongAndCutForms) {
  EXPECT_TRUE(valid_utf8("a\xc3\xa9\xe2\x82\xac"));
  for (const char* bad : {"\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xff"}) EXPECT_FALSE(valid_utf8(bad));
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Record, RoundTripsAndRefusesShortOnes) {
  RecordWriter w;
  w.put(std::uint32_t{7});
  w.put(std::vector<std::string>{"a", "bc"});
  std::string bytes = w.take();
  RecordReader r(bytes);
  EXPECT_EQ(r.get<std::uint32_t>(), 7U);
  EXPECT_EQ(r.get<std::vector<std::string>>(), (std::vector<std::string>{"a", "bc"}));
  EXPECT_TRUE(r.at_end());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    RecordReader cut(std::string_view(bytes).substr(0, n));
    EXPECT_THROW(
        {
          cut.get<std::uint32_t>();
          cut.get<std::vector<std::string>>();
        },
        Error);
  }
}

TEST(Rollback, RunsInReverseUnlessCommitted) {
  std::string order;
  {
    Rollback undo;
    undo.add([&] { order += "1"; });
    undo.add([&] { order += "2"; });
  }
  EXPECT_EQ(order, "21");
  {
    Rollback undo;
    undo.add([&] { order += "x"; });
    undo.commit();
  }
  EXPECT_EQ(order, "21");
}

TEST(Paths, TwoRootsShareNothing) {
  Paths a = default_paths("/srv/a");
  Paths b = default_paths("/srv/b/");
  EXPECT_EQ(b.root, "/srv/b");
  EXPECT_NE(a.tag, b.tag);
  EXPECT_EQ(a.run, "/srv/a/run");
}

}  // namespace
}  // namespace servin
