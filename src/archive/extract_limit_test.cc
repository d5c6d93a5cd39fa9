// SPDX-License-Identifier: Apache-2.0
// What an archive may cost: entries, bytes, memory, time, descriptors; and archives that are cut or have a flipped
// byte.
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "archive/extract.h"
#include "archive/tar_reader.h"
#include "archive/testing/compress.h"
#include "archive/testing/tar_builder.h"
#include "archive/testing/tree.h"
#include "base/error.h"
#include "base/time.h"
#include "os/file.h"

namespace servin::archive {
namespace {

using testing::TarBuilder;
using testing::TempFolder;
using testing::TreeText;

ExtractOptions options_for_all() {
  ExtractOptions options;
  options.owners = ::geteuid() == 0;
  return options;
}

// The error's id; empty when all went well.
std::string unpack(ByteSource& source, const std::string& to, const ExtractOptions& options) {
  make_dirs(to, 0755);
  Fd folder = open_file(to, O_PATH | O_DIRECTORY);
  try {
    extract_layer(source, folder, options);
    return "";
  } catch (const Error& e) {
    return e.id().empty() ? e.what() : e.id();
  }
}
std::string unpack(std::string_view tar, const std::string& to, const ExtractOptions& options = options_for_all()) {
  MemorySource source(tar);
  return unpack(source, to, options);
}

std::string read_through(std::string_view tar) {
  MemorySource source(tar);
  TarReader reader(source);
  TarEntry entry;
  try {
    while (reader.next(entry)) {
    }
    return "";
  } catch (const Error& e) {
    return e.id();
  }
}

// A tar with one file of zeros, made as it is read: nothing of it lies in memory.
class ZerosTar : public ByteSource {
 public:
  explicit ZerosTar(std::uint64_t size) : size_(size) {
    head_ = TarBuilder().add({.name = "zeros", .size = static_cast<long long>(size)}).unfinished();
  }
  std::size_t read(void* buffer, std::size_t n) override {
    std::uint64_t total = head_.size() + size_ + 1024;
    n = std::min<std::uint64_t>(n, total - at_);
    std::memset(buffer, 0, n);
    if (at_ < head_.size()) std::memcpy(buffer, head_.data() + at_, std::min(n, head_.size() - at_));
    at_ += n;
    return n;
  }

 private:
  std::string head_;
  std::uint64_t size_;
  std::uint64_t at_ = 0;
};

[[maybe_unused]] long resident_kib() {
  std::string statm = read_file("/proc/self/statm").value_or("0 0");
  return std::stol(statm.substr(statm.find(' ') + 1)) * ::sysconf(_SC_PAGESIZE) / 1024;
}

TEST(ExtractLimit, CountsEntriesAndImpliedFolders) {
  TempFolder temp;
  auto options = options_for_all();
  options.limits.max_entries = 5;
  EXPECT_EQ(unpack(TarBuilder().file("1").file("2").file("3").file("4").file("5").end(), temp.path() + "/a", options),
            "");
  EXPECT_EQ(unpack(TarBuilder().file("1").file("1").file("1").file("1").file("1").file("1").end(), temp.path() + "/b",
                   options),
            "E-ARCHIVE-LIMIT");
  EXPECT_EQ(unpack(TarBuilder().file("a/b/c/d/e/f").end(), temp.path() + "/c", options), "E-ARCHIVE-LIMIT");
}

TEST(ExtractLimit, CountsBytesBeforeTheyAreWritten) {
  TempFolder temp;
  auto options = options_for_all();
  options.limits.max_bytes = 1000;
  EXPECT_EQ(unpack(TarBuilder().file("a", std::string(600, 'a')).file("b", std::string(400, 'b')).end(),
                   temp.path() + "/a", options),
            "");
  EXPECT_EQ(unpack(TarBuilder().file("a", std::string(600, 'a')).file("b", std::string(401, 'b')).end(),
                   temp.path() + "/b", options),
            "E-ARCHIVE-LIMIT");
  // Holes count: they cost nothing here, but whoever copies the file pays for them.
  std::string hole =
      TarBuilder().add({.name = "f", .pax = {{"GNU.sparse.map", "5000,0"}, {"GNU.sparse.size", "5000"}}}).end();
  EXPECT_EQ(unpack(hole, temp.path() + "/c", options), "E-ARCHIVE-LIMIT");
  std::string huge =
      TarBuilder()
          .add({.name = "f", .pax = {{"GNU.sparse.map", "0,0"}, {"GNU.sparse.size", "9223372036854775807"}}})
          .end();
  EXPECT_EQ(unpack(huge, temp.path() + "/d"), "E-ARCHIVE-LIMIT");
  EXPECT_EQ(unpack(TarBuilder().file("f").end() + std::string(2U << 20U, '\0'), temp.path() + "/e", options),
            "E-ARCHIVE-LIMIT");
}

TEST(ExtractLimit, BombsStopAtTheLimitInLittleMemory) {
  TempFolder temp;
  auto options = options_for_all();
  options.limits.max_bytes = 8U << 20U;
  for (auto kind : {Compression::gzip, Compression::zstd, Compression::xz, Compression::bzip2}) {
    ZerosTar zeros(64U << 20U);
    std::string bomb = testing::compress(zeros, kind);
    EXPECT_LT(bomb.size(), 1U << 20U);
    [[maybe_unused]] long before = resident_kib();
    auto source = decompress(std::make_unique<MemorySource>(bomb), kind);
    EXPECT_EQ(unpack(*source, temp.path() + "/file", options), "E-ARCHIVE-LIMIT") << to_string(kind);
    // The size is known from the header, so nothing was written at all.
    EXPECT_EQ(tree_size(temp.path() + "/file"), 0U);
    // The same bytes as an archive that ends and is followed by zeros for ever.
    auto tail = decompress(std::make_unique<MemorySource>(std::string_view(bomb)), kind);
    tail->skip(512);
    EXPECT_EQ(unpack(*tail, temp.path() + "/tail", options), "E-ARCHIVE-LIMIT") << to_string(kind);
#ifndef __SANITIZE_ADDRESS__  // keeps freed memory for a while
    EXPECT_LT(resident_kib() - before, 64 << 10) << to_string(kind);
#endif
  }
}

TEST(ExtractLimit, NestedCompressionIsNotUnpackedAgain) {
  std::string inner = TarBuilder().file("f").end();
  for (int i = 0; i < 64; ++i) {
    MemorySource source(inner);
    inner = testing::compress(source, Compression::gzip);
  }
  TempFolder temp;
  Compression found{};
  auto source = open_auto(std::make_unique<MemorySource>(inner), &found);
  EXPECT_EQ(found, Compression::gzip);
  EXPECT_EQ(unpack(*source, temp.path() + "/layer", options_for_all()), "E-ARCHIVE-DAMAGED");
}

TEST(ExtractLimit, ManyFoldersCostBoundedMemory) {
  TempFolder temp;
  auto options = options_for_all();
  options.limits.max_folder_memory = 4096;
  TarBuilder tar;
  for (int i = 0; i < 100; ++i) tar.dir(fmt::format("{:0100}", i));
  EXPECT_EQ(unpack(tar.end(), temp.path() + "/a", options), "E-ARCHIVE-LIMIT");
  TarBuilder same;
  for (int i = 0; i < 1000; ++i) same.dir("again");
  EXPECT_EQ(unpack(same.end(), temp.path() + "/b", options), "");
}

// Time that grows with the square of the markers would be minutes here.
TEST(ExtractLimit, OpaqueMarkersAreLinear) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: opaque folders are trusted.* attributes";
  TempFolder temp;
  TarBuilder tar;
  constexpr std::size_t files = 10'000;
  tar.dir("d");
  for (std::size_t i = 0; i < files; ++i) tar.file(fmt::format("d/{}", i), "");
  std::string marker = TarBuilder().file("d/.wh..wh..opq", "").unfinished();
  for (int i = 0; i < 100'000; ++i) tar.data(marker);
  auto start = monotonic_ns();
  EXPECT_EQ(unpack(tar.end(), temp.path() + "/layer"), "");
  EXPECT_LT(monotonic_ns() - start, 120'000'000'000);
  EXPECT_EQ(list_dir(temp.path() + "/layer/d").size(), files);
}

TEST(ExtractLimit, DeepTreesNeedFewDescriptors) {
  TempFolder temp;
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit few = old;
  few.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  TarBuilder tar;
  // Through the link it goes deeper than one path can say.
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "d/";
  tar.gnu_long('L', deep + "f")
      .file("x")
      .gnu_long('K', "/" + deep)
      .symlink("l", "x")
      .gnu_long('L', "l/" + deep + "g")
      .file("x");
  EXPECT_EQ(unpack(tar.end(), temp.path() + "/layer"), "");
  // A file in its place removes all of it.
  EXPECT_EQ(unpack(TarBuilder().file("d").end(), temp.path() + "/layer"), "");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(list_dir(temp.path() + "/layer"), (std::vector<std::string>{"d", "l"}));
}

std::string small_archive() {
  return TarBuilder()
      .dir("a")
      .file("a/f", "content of a file")
      .symlink("a/l", "f")
      .hard_link("h", "a/f")
      .add({.name = "x", .content = std::string(600, 'x'), .pax = {{"mtime", "5.5"}, {"SCHILY.xattr.user.k", "v"}}})
      .gnu_long('L', std::string(120, 'n'))
      .file("n")
      .end();
}

TEST(ExtractLimit, CutArchivesAreRefused) {
  TempFolder temp;
  std::string tar = small_archive();
  std::size_t last_member_end = tar.size() - 1024;
  for (std::size_t size = 1; size < last_member_end; size += size % 512 == 0 ? 1 : 512 - size % 512) {
    std::string id = unpack(tar.substr(0, size), temp.path() + "/layer");
    // On a block boundary between members the end is as good as any, by the rule that the two blocks of zeros may be
    // missing.
    bool may_end_here = size % 512 == 0 && id.empty();
    EXPECT_TRUE(may_end_here || id == "E-ARCHIVE-DAMAGED") << size << id;
    for (auto kind : {Compression::gzip, Compression::zstd, Compression::xz, Compression::bzip2}) {
      MemorySource whole(tar);
      std::string packed = testing::compress(whole, kind);
      if (size >= packed.size()) continue;
      auto source = decompress(std::make_unique<MemorySource>(std::string_view(packed).substr(0, size)), kind);
      EXPECT_EQ(unpack(*source, temp.path() + "/layer", options_for_all()), "E-ARCHIVE-DAMAGED")
          << to_string(kind) << size;
    }
  }
}

TEST(ExtractLimit, FlippedBytesNeverCrash) {
  TempFolder temp;
  std::string tar = TarBuilder()
                        .dir("a")
                        .add({.name = "a/f", .content = "x", .pax = {{"mtime", "5.5"}, {"SCHILY.xattr.user.k", "v"}}})
                        .hard_link("h", "a/f")
                        .end();
  std::string outside = temp.path() + "/outside";
  make_dirs(outside, 0755);
  write_file(outside + "/file", "canary", 0600);
  std::string before = TreeText::of(outside);
  auto options = options_for_all();
  options.limits.max_bytes = 1U << 20U;
  // Each byte of each header as it is, and some again with the checksum put right.
  for (std::size_t at = 0; at + 1024 < tar.size(); ++at) {
    std::size_t header = at / 512 * 512;
    bool is_header = tar.compare(header + 257, 5, "ustar") == 0;
    if (!is_header && at % 512 > 64) continue;
    std::string bad = tar;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    std::string id = read_through(bad);
    // In the checksum field itself a blank may stand for a zero or a NUL.
    bool in_checksum = at % 512 >= 148 && at % 512 < 156;
    EXPECT_TRUE(!is_header || in_checksum || id == "E-ARCHIVE-DAMAGED") << at << id;
    if (!is_header || at % 8 != 0) continue;
    bad.replace(header, 512, TarBuilder().raw_header(bad.substr(header, 512)).unfinished());
    unpack(bad, temp.path() + "/layer", options);
    remove_tree(temp.path() + "/layer");
  }
  EXPECT_EQ(TreeText::of(outside), before);
  EXPECT_EQ(list_dir(temp.path()), std::vector<std::string>{"outside"});
}

}  // namespace
}  // namespace servin::archive
