// SPDX-License-Identifier: Apache-2.0
// Valid archives that are unusual: each must unpack to exactly the tree that stands beside it.
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "archive/extract.h"
#include "archive/testing/oddities.h"
#include "archive/testing/tar_builder.h"
#include "archive/testing/tree.h"
#include "base/error.h"
#include "os/file.h"

namespace servin::archive {
namespace {

using testing::all_oddities;
using testing::TarBuilder;
using testing::TempFolder;
using testing::TreeText;

// Without the line of the root itself.
std::string below(const std::string& text) { return text.substr(text.find('\n') + 1); }

ExtractResult unpack(std::string_view tar, const std::string& to) {
  make_dirs(to, 0755);
  Fd folder = open_file(to, O_PATH | O_DIRECTORY);
  MemorySource source(tar);
  ExtractOptions options;
  options.owners = ::geteuid() == 0;
  return extract_layer(source, folder, options);
}

TEST(ExtractOddity, UnpacksToTheTreeThatItMeans) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners, devices, whiteouts";
  auto oddities = all_oddities();
  EXPECT_GE(oddities.size(), 60U);
  TempFolder temp;
  for (const auto& odd : oddities) {
    std::string to = temp.path() + "/layer";
    remove_tree(to);
    try {
      unpack(odd.tar, to);
    } catch (const Error& e) {
      ADD_FAILURE() << odd.name << ": " << e.what();
      continue;
    }
    EXPECT_EQ(below(TreeText::of(to, odd.with_times)), odd.expected) << odd.name;
  }
}

// GNU tar as a second opinion on those that it can read the same way.
TEST(ExtractOddity, AgreesWithGnuTar) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners, devices";
  TempFolder temp;
  int compared = 0;
  for (const auto& odd : all_oddities()) {
    if (!odd.plain) continue;
    ++compared;
    std::string ours = temp.path() + "/ours";
    std::string theirs = temp.path() + "/theirs";
    remove_tree(ours);
    remove_tree(theirs);
    make_dirs(theirs, 0755);
    unpack(odd.tar, ours);
    write_file(temp.path() + "/layer.tar", odd.tar);
    std::string command =
        "tar -C " + theirs + " --numeric-owner --xattrs --xattrs-include='*' -xpf " + temp.path() + "/layer.tar";
    ASSERT_EQ(::system(command.c_str()), 0) << odd.name;
    EXPECT_EQ(below(TreeText::of(ours, odd.with_times)), below(TreeText::of(theirs, odd.with_times))) << odd.name;
  }
  EXPECT_GE(compared, 15);
}

TEST(ExtractOddity, RootEntrySetsTheRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners";
  TempFolder temp;
  std::string to = temp.path() + "/layer";
  auto result =
      unpack(TarBuilder().add({.name = "./", .type = '5', .mode = 01711, .uid = 5, .gid = 6}).file("./f").end(), to);
  std::string text = TreeText::of(to);
  EXPECT_EQ(text.substr(0, text.find('\n')), ". d 1711 5:6");
  EXPECT_TRUE(result.implied_folders.empty());
}

TEST(ExtractOddity, TellsWhichFoldersAreImplied) {
  TempFolder temp;
  std::string to = temp.path() + "/layer";
  auto result =
      unpack(TarBuilder().file("a/b/c/f").dir("a/b").file("x/f").file("gone/f").symlink("gone", "a").end(), to);
  EXPECT_EQ(result.implied_folders, (std::vector<std::string>{"a", "a/b/c", "x"}));
  EXPECT_EQ(result.bytes, 3U);
  EXPECT_EQ(result.entries, 5U + 5U);
}

TEST(ExtractOddity, ImpliedFoldersTakeAttributesFromBelow) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners";
  TempFolder temp;
  unpack(TarBuilder().add({.name = "tmp", .type = '5', .mode = 01777, .uid = 3}).dir("etc").end(),
         temp.path() + "/lower");
  unpack(TarBuilder().dir("tmp", 0700).symlink("etc", "/x").end(), temp.path() + "/middle");
  auto result = unpack(TarBuilder().file("tmp/f").file("etc/f").file("new/f").end(), temp.path() + "/upper");
  Fd upper = open_file(temp.path() + "/upper", O_PATH | O_DIRECTORY);
  Fd middle = open_file(temp.path() + "/middle", O_PATH | O_DIRECTORY);
  Fd lower = open_file(temp.path() + "/lower", O_PATH | O_DIRECTORY);
  inherit_folders(upper, {"tmp"}, {&lower});
  EXPECT_NE(TreeText::of(temp.path() + "/upper").find("tmp d 1777 3:0\n"), std::string::npos);
  inherit_folders(upper, result.implied_folders, {&middle, &lower});
  EXPECT_NE(TreeText::of(temp.path() + "/upper").find("tmp d 700\n"), std::string::npos);
}

TEST(ExtractOddity, PlainFormRefusesWhiteouts) {
  TempFolder temp;
  Fd folder = open_file(temp.path(), O_PATH | O_DIRECTORY);
  std::string tar = TarBuilder().file(".wh.x", "").end();
  MemorySource source(tar);
  ExtractOptions options;
  options.whiteouts = WhiteoutForm::plain;
  EXPECT_THROW(extract_layer(source, folder, options), Error);
}

TEST(ExtractOddity, WithoutOwnersNothingIsPrivileged) {
  TempFolder temp;
  Fd folder = open_file(temp.path(), O_PATH | O_DIRECTORY);
  std::string tar =
      TarBuilder()
          .add({.name = "d", .type = '5', .mode = 0500})
          .add({.name = "d/f", .content = "x", .mode = 06755, .uid = 7, .pax = {{"SCHILY.xattr.trusted.x", "1"}}})
          .end();
  MemorySource source(tar);
  ExtractOptions options;
  options.owners = false;
  extract_layer(source, folder, options);
  std::string owner = ::geteuid() == 0 ? "" : fmt::format(" {}:{}", ::geteuid(), ::getegid());
  EXPECT_EQ(below(TreeText::of(temp.path())), "d d 500" + owner + "\nd/f f 755" + owner + " \"x\"\n");
  ASSERT_EQ(::chmod((temp.path() + "/d").c_str(), 0700), 0);
}

}  // namespace
}  // namespace servin::archive
