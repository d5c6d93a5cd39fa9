// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "files/changes.h"
#include "files/operations.h"
#include "files/pack.h"
#include "files/unpack.h"
#include "files/walk.h"
#include "os/file.h"

namespace servin::files {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    char path[] = "/tmp/servin-files-XXXXXX";
    dir_ = ::mkdtemp(path);
    for (const char* name : {"from", "to"}) make_dirs(dir_ + "/" + name);
  }
  ~Files() override { remove_tree(dir_); }

  Fd held(const std::string& name) const { return open_file(dir_ + "/" + name, O_PATH | O_NOFOLLOW); }
  void write(const std::string& name, std::string_view content) const { write_file(dir_ + "/" + name, content); }
  void copy(const std::string& from, const std::string& name) const {
    PackOptions options;
    options.name = name;
    options.sparse = true;
    PackSource source(held(from), options);
    UnpackOptions unpacking;
    unpacking.to_host = true;
    unpack(source, held("to"), "/", unpacking);
  }
  static std::string id_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.id();
    }
    return "";
  }

  std::string dir_;
};

TEST_F(Files, AWalkComesBackFromDeepFolders) {
  std::string path = dir_ + "/from";
  for (int i = 0; i < 300; ++i) path += "/d";
  make_dirs(path);
  write("from/z", "");
  Walker walker(held("from"), "top");
  int count = 0;
  std::string last;
  while (auto v = walker.next()) ++count, last = v->path;
  EXPECT_EQ(count, 302);
  EXPECT_EQ(last, "top/z");
}

TEST_F(Files, ACopyKeepsWhatThereIs) {
  write("from/file", "content");
  make_dirs(dir_ + "/from/sub/empty");
  ASSERT_EQ(::symlink("../file", (dir_ + "/from/sub/link").c_str()), 0);
  ASSERT_EQ(::link((dir_ + "/from/file").c_str(), (dir_ + "/from/second").c_str()), 0);
  Fd sparse = open_file(dir_ + "/from/sparse", O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(sparse.get(), 100 << 20), 0);
  ASSERT_EQ(::pwrite(sparse.get(), "x", 1, 50 << 20), 1);
  copy("from", "copy");
  EXPECT_EQ(read_file(dir_ + "/to/copy/sub/link"), "content");
  struct stat st{};
  ASSERT_EQ(::stat((dir_ + "/to/copy/second").c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 2U);
  ASSERT_EQ(::stat((dir_ + "/to/copy/sparse").c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 100 << 20);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  char byte = 0;
  EXPECT_EQ(::pread(open_file(dir_ + "/to/copy/sparse", O_RDONLY).get(), &byte, 1, 50 << 20), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(Files, FilesReplaceFilesAndNothingElse) {
  write("from/name", "new");
  write("to/name", "old");
  copy("from/name", "name");
  EXPECT_EQ(read_file(dir_ + "/to/name"), "new");
  make_dirs(dir_ + "/to/folder");
  EXPECT_EQ(id_of([&] { copy("from/name", "folder"); }), "E-PATH-KIND");
  EXPECT_EQ(id_of([&] { copy("from", "name"); }), "E-PATH-KIND");
  EXPECT_EQ(list_dir(dir_ + "/to"), (std::vector<std::string>{"folder", "name"}));
}

TEST_F(Files, LinksInTheTargetAreNotFollowedOut) {
  write("from/name", "new");
  ASSERT_EQ(::symlink("/etc", (dir_ + "/to/way").c_str()), 0);
  EXPECT_EQ(id_of([&] { copy("from", "way"); }), "E-PATH-KIND");
  copy("from/name", "way");  // takes the link's place
  EXPECT_EQ(read_file(dir_ + "/to/way"), "new");
}

TEST_F(Files, MadeFilesNameWhatIsThere) {
  Fd out = open_file("/dev/null", O_WRONLY);
  EXPECT_EQ(id_of([&] { cat(held("to"), "nosuch", out); }), "E-PATH-NOT-FOUND");
  EXPECT_EQ(id_of([&] { cat(held("to"), "/", out); }), "E-PATH-KIND");
  make_folder(held("to"), "a", 0700, false);
  EXPECT_EQ(id_of([&] { make_folder(held("to"), "a", 0700, false); }), "E-PATH-EXISTS");
  make_folder(held("to"), "a/b/c", 0700, true);
  EXPECT_EQ(id_of([&] { remove_folder(held("to"), "a"); }), "E-PATH-NOT-EMPTY");
  move(held("to"), "a/b", "/");
  EXPECT_EQ(list(held("to"), "/b").at(0).name, "c");
  remove(held("to"), "b", true, false);
  remove(held("to"), "b", true, true);
  EXPECT_EQ(id_of([&] { remove(held("to"), "b", true, false); }), "E-PATH-NOT-FOUND");
}

TEST_F(Files, TheModeOfAFolderIsNotThatOfItsParents) {
  auto mode_of = [&](const std::string& path) { return look(held("to"), path, false).st.st_mode & 07777U; };
  make_folder(held("to"), "a/b/c/", 0700, true);
  EXPECT_EQ(mode_of("a"), 0755U);
  EXPECT_EQ(mode_of("a/b"), 0755U);
  EXPECT_EQ(mode_of("a/b/c"), 0700U);
  make_folder(held("to"), "single", 01777, true);
  EXPECT_EQ(mode_of("single"), 01777U);
  // What is there already stays as it is, also behind a link.
  ASSERT_EQ(::symlink("a/b", (dir_ + "/to/way").c_str()), 0);
  for (const char* there : {"a/b", "way", "/", "a/b/.."}) make_folder(held("to"), there, 0700, true);
  EXPECT_EQ(mode_of("a/b"), 0755U);
  write("to/file", "");
  EXPECT_EQ(id_of([&] { make_folder(held("to"), "file", 0700, true); }), "E-PATH-EXISTS");
  EXPECT_EQ(id_of([&] { make_folder(held("to"), "file/a/b", 0700, true); }), "E-PATH-KIND");
}

TEST_F(Files, ChangesAreWhatIsAboveAndNotBelow) {
  write("from/same", "");
  make_dirs(dir_ + "/from/kept/deep");
  make_dirs(dir_ + "/to/new/sub");
  write("to/same", "other");
  write("to/new/file", "");
  make_dirs(dir_ + "/to/proc");
  auto found = changes(held("to"), held("from"), [](const std::string& path) { return path == "/proc"; });
  std::vector<Change> wanted = {{Change::Kind::added, "/new"},
                                {Change::Kind::added, "/new/file"},
                                {Change::Kind::added, "/new/sub"},
                                {Change::Kind::changed, "/same"}};
  EXPECT_EQ(found, wanted);
}

TEST(Modes, AreThoseOfChmod) {
  EXPECT_EQ(changed_mode("644", 0777, false), 0644U);
  EXPECT_EQ(changed_mode("4755", 0, false), 04755U);
  EXPECT_EQ(changed_mode("u+x", 0644, false), 0744U);
  EXPECT_EQ(changed_mode("go-rwx", 0755, false), 0700U);
  EXPECT_EQ(changed_mode("a=rX", 0600, false), 0444U);
  EXPECT_EQ(changed_mode("a=rX", 0600, true), 0555U);
  EXPECT_EQ(changed_mode("u+s,g+s,+t", 0755, false), 07755U);
  EXPECT_EQ(changed_mode("+x", 0644, false), 0755U);
  for (const char* bad : {"", "9", "77777", "u", "u+q", "x", "u+x,", "u?x"})
    EXPECT_THROW(changed_mode(bad, 0, false), Error) << bad;
}

}  // namespace
}  // namespace servin::files
