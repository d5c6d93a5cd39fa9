// SPDX-License-Identifier: Apache-2.0
// Reader and writer of tar against each other and against GNU tar. Odd and hostile archives: extract_*_test.cc.
#include <fcntl.h>

#include <gtest/gtest.h>

#include "archive/layer_name.h"
#include "archive/tar_format.h"
#include "archive/tar_reader.h"
#include "archive/tar_writer.h"
#include "archive/testing/tar_builder.h"
#include "archive/testing/tree.h"
#include "base/error.h"
#include "os/file.h"

namespace servin::archive {
namespace {

using testing::TarBuilder;
using testing::TempFolder;

std::vector<std::pair<TarEntry, std::string>> list(ByteSource& source) {
  TarReader reader(source);
  std::vector<std::pair<TarEntry, std::string>> out;
  TarEntry entry;
  while (reader.next(entry)) out.emplace_back(entry, reader.read_all(1U << 20U));
  return out;
}

void expect_same(const TarEntry& a, const TarEntry& b) {
  EXPECT_EQ(a.path, b.path);
  EXPECT_EQ(a.link, b.link) << a.path;
  EXPECT_EQ(a.type, b.type) << a.path;
  EXPECT_EQ(a.mode, b.mode) << a.path;
  EXPECT_EQ(a.uid, b.uid) << a.path;
  EXPECT_EQ(a.gid, b.gid) << a.path;
  EXPECT_EQ(a.size, b.size) << a.path;
  EXPECT_EQ(a.mtime, b.mtime) << a.path;
  EXPECT_EQ(a.mtime_ns, b.mtime_ns) << a.path;
  EXPECT_EQ(a.dev_major, b.dev_major) << a.path;
  EXPECT_EQ(a.dev_minor, b.dev_minor) << a.path;
  EXPECT_EQ(a.xattrs, b.xattrs) << a.path;
}

std::vector<TarEntry> entries_of_all_kinds() {
  std::vector<TarEntry> out;
  auto add = [&](std::string path, TarType type) -> TarEntry& {
    out.push_back({.path = std::move(path), .type = type, .mtime = 1000});
    return out.back();
  };
  add("file", TarType::file).mode = 04755;
  add("folder/", TarType::directory).mode = 01777;
  add("link", TarType::symlink).link = std::string(300, 't');
  add("hard", TarType::hard_link).link = "file";
  auto& device = add("device", TarType::char_device);
  device.dev_major = 4095;
  device.dev_minor = 1048575;
  add("block", TarType::block_device).dev_minor = 3;
  add("fifo", TarType::fifo);
  add(std::string(150, 'a') + "/" + std::string(100, 'b'), TarType::file);
  add(std::string(150, 'a') + "/" + std::string(90, 'b') + "/", TarType::directory);
  add(std::string(160, 'a') + "/" + std::string(100, 'b'), TarType::file);
  add(std::string(99, 'a') + "/", TarType::directory);
  add(std::string(100, 'a') + "/", TarType::directory);
  add("caf\xc3\xa9\n", TarType::file);
  auto& large = add("large ids", TarType::file);
  large.uid = 4294967294;
  large.gid = 2097152;
  add("before 1970", TarType::file).mtime = -1;
  auto& fraction = add("fraction before 1970", TarType::file);
  fraction.mtime = -2;
  fraction.mtime_ns = 500'000'000;
  add("far future", TarType::file).mtime = 99'999'999'999;
  add("nanosecond", TarType::file).mtime_ns = 1;
  add("xattrs", TarType::file).xattrs = {{"security.capability", std::string("\1\0\0\2", 4)}, {"user.empty", ""}};
  return out;
}

TEST(Tar, WriterAndReaderAgree) {
  StringSink sink;
  TarWriter writer(sink);
  auto entries = entries_of_all_kinds();
  for (auto& entry : entries) {
    std::string content = entry.type == TarType::file ? "content of " + entry.path : "";
    entry.size = content.size();
    writer.add(entry, content);
  }
  writer.finish();
  EXPECT_EQ(sink.text().size() % 10240, 0U);
  MemorySource source(sink.text());
  auto found = list(source);
  ASSERT_EQ(found.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    expect_same(found[i].first, entries[i]);
    if (entries[i].type == TarType::file) {
      EXPECT_EQ(found[i].second, "content of " + entries[i].path);
    }
  }
}

TEST(Tar, GnuTarReadsWhatWeWrite) {
  TempFolder temp;
  StringSink sink;
  TarWriter writer(sink);
  writer.add_directory("d");
  writer.add({.path = "d/" + std::string(200, 'f'), .mtime = 1000, .mtime_ns = 5}, "x");
  writer.add({.path = "l", .link = "d", .type = TarType::symlink});
  writer.begin({.path = "d/s", .size = 10'000, .is_sparse = true, .chunks = {{0, 512}, {5'120, 3}}});
  writer.write(std::string(512, 'a') + "xyz");
  writer.finish();
  MemorySource source(sink.text());
  EXPECT_EQ(list(source).back().second.substr(5'118, 7), std::string("\0\0xyz\0\0", 7));
  write_file(temp.path() + "/t.tar", sink.text());
  ASSERT_EQ(
      ::system(("mkdir " + temp.path() + "/x && tar -C " + temp.path() + "/x -xf " + temp.path() + "/t.tar").c_str()),
      0);
  EXPECT_EQ(read_file(temp.path() + "/x/d/" + std::string(200, 'f')), "x");
  EXPECT_TRUE(path_exists(temp.path() + "/x/l"));
  std::string sparse = read_file(temp.path() + "/x/d/s").value_or("");
  EXPECT_EQ(sparse.size(), 10'000U);
  EXPECT_EQ(sparse.substr(5'120, 3), "xyz");
}

TEST(Tar, WriterChecksSizes) {
  StringSink sink;
  TarWriter writer(sink);
  writer.begin({.path = "f", .size = 3});
  EXPECT_THROW(writer.write("1234"), Error);
  writer.write("12");
  EXPECT_THROW(writer.finish(), Error);
}

TEST(Tar, OffsetsFindTheDataAgain) {
  TempFolder temp;
  std::string path = temp.path() + "/t.tar";
  write_file(path, TarBuilder()
                       .file("a", std::string(700'000, 'a'))
                       .add({.name = "b", .content = "bbb", .pax = {{"path", "long"}}})
                       .file("c", "cc")
                       .end());
  Fd fd = open_file(path, O_RDONLY);
  FdSource source(open_file(path, O_RDONLY), path);
  TarReader reader(source);
  TarEntry entry;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
  // Without reading any data: the reader seeks over it.
  while (reader.next(entry)) places.emplace_back(reader.header_offset(), reader.data_offset());
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0], (std::pair<std::uint64_t, std::uint64_t>(0, 512)));
  EXPECT_EQ(places[1].second - places[1].first, 3U * 512U);
  RangeSource b(fd, places[1].second, 3, path);
  EXPECT_EQ(read_to_end(b, 10, "b"), "bbb");
  RangeSource c(fd, places[2].second, 2, path);
  EXPECT_EQ(read_to_end(c, 10, "c"), "cc");
}

TEST(Tar, CutFileIsNoticedAlsoBySeeking) {
  TempFolder temp;
  std::string path = temp.path() + "/t.tar";
  std::string tar = TarBuilder().file("a", std::string(700'000, 'a')).end();
  write_file(path, tar.substr(0, 600'000));
  FdSource source(open_file(path, O_RDONLY), path);
  TarReader reader(source);
  TarEntry entry;
  ASSERT_TRUE(reader.next(entry));
  try {
    reader.next(entry);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-ARCHIVE-DAMAGED");
    EXPECT_NE(e.message().find("byte 600000"), std::string::npos) << e.message();
  }
}

TEST(Tar, DamageIsNamedByItsOffset) {
  std::string tar = TarBuilder().file("a", std::string(600, 'a')).file("b").end();
  tar[3 * 512 + 1] = 'X';
  MemorySource source(tar);
  try {
    list(source);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::data_loss);
    EXPECT_NE(e.message().find("byte 1536"), std::string::npos) << e.message();
  }
}

TEST(Tar, SparseFilesReadWithTheirHoles) {
  std::string tar =
      TarBuilder()
          .add({.name = "f", .content = "abcd", .pax = {{"GNU.sparse.map", "3,2,8,2"}, {"GNU.sparse.size", "12"}}})
          .end();
  MemorySource source(tar);
  TarReader reader(source);
  TarEntry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_TRUE(entry.is_sparse);
  EXPECT_EQ(reader.read_all(100), std::string("\0\0\0ab\0\0\0cd\0\0", 12));
  MemorySource again(tar);
  TarReader blocks(again);
  ASSERT_TRUE(blocks.next(entry));
  std::uint64_t offset = 0;
  EXPECT_EQ(blocks.read_block(offset), "ab");
  EXPECT_EQ(offset, 3U);
  EXPECT_EQ(blocks.read_block(offset), "cd");
  EXPECT_EQ(offset, 8U);
  EXPECT_EQ(blocks.read_block(offset), "");
}

TEST(TarFormat, Numbers) {
  auto number = [](std::string_view text) { return parse_number(text); };
  EXPECT_EQ(number("0000644"), 0644);
  EXPECT_EQ(number(std::string_view("   644 \0", 8)), 0644);
  EXPECT_EQ(number(std::string_view("\0\0\0\0", 4)), 0);
  EXPECT_EQ(number("77777777"), 077777777);
  EXPECT_EQ(number("12345678"), std::nullopt);
  EXPECT_EQ(number("-1"), std::nullopt);
  EXPECT_EQ(number(std::string_view("\x80\0\0\0\0\0\0\1", 8)), 1);
  EXPECT_EQ(number("\xff\xff\xff\xff\xff\xff\xff\xfe"), -2);
  EXPECT_EQ(number(std::string_view("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)), INT64_MAX);
  EXPECT_EQ(number(std::string_view("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)), std::nullopt);
  EXPECT_EQ(number(std::string_view("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12)), INT64_MIN);
}

TEST(TarFormat, PaxRecords) {
  std::string_view rest = "6 a=b\n12 key=a=b\n\n";
  auto one = take_pax_record(rest);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->key, "a");
  EXPECT_EQ(one->value, "b");
  auto two = take_pax_record(rest);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->value, "a=b\n");
  EXPECT_EQ(rest, "");
  // Lengths around the points where one more digit is needed.
  for (std::size_t n = 1; n < 1100; ++n) {
    std::string record = make_pax_record("k", std::string(n, 'v'));
    std::string_view text = record;
    auto back = take_pax_record(text);
    ASSERT_TRUE(back) << n;
    EXPECT_EQ(back->value.size(), n);
    EXPECT_EQ(text, "");
  }
}

TEST(TarFormat, Decoding) {
  EXPECT_EQ(decode_base64("aGVsbG8="), "hello");
  EXPECT_EQ(decode_base64("aGVsbG8"), "hello");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("a b"), std::nullopt);
  EXPECT_EQ(decode_percent("a%3Db%2"), "a=b%2");
  EXPECT_EQ(decode_percent("%"), "%");
}

TEST(LayerNames, AreRelativeAndInside) {
  EXPECT_EQ(normal_path("/a//b/./c/../d/"), "a/b/d");
  EXPECT_EQ(normal_path("a/.."), "");
  EXPECT_THROW(normal_path("a/../.."), Error);
  EXPECT_EQ(parse_layer_name("./").kind, LayerNameKind::root);
  EXPECT_EQ(parse_layer_name("a/.wh.b").kind, LayerNameKind::whiteout);
  EXPECT_EQ(parse_layer_name("a/.wh.b").name, "b");
  EXPECT_EQ(parse_layer_name("a/.wh..wh..opq").kind, LayerNameKind::opaque);
  EXPECT_EQ(parse_layer_name(".wh..wh.plnk/1").kind, LayerNameKind::ignored);
  EXPECT_EQ(parse_layer_name(".wh").kind, LayerNameKind::entry);
  EXPECT_EQ(parse_layer_name("a/.wh.b/c").parent, "a/.wh.b");
  EXPECT_THROW(parse_layer_name(""), Error);
}

}  // namespace
}  // namespace servin::archive
