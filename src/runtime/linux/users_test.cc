// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/users.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "os/file.h"

namespace servin::runtime {
namespace {

constexpr std::string_view passwd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
    "web:x:33:34::/srv:/bin/sh\n"
    "4294967296:x:0:0::/root:/bin/sh\n"  // names that look like numbers must never count
    "2147483648:x:0:0::/root:/bin/sh\n"
    "99999999999:x:0:0::/root:/bin/sh\n"
    "-1:x:0:0::/root:/bin/sh\n"
    "+0:x:0:0::/root:/bin/sh\n"
    "0x0:x:0:0::/root:/bin/sh\n"
    "big:x:4294967296:0::/:\n"  // does not fit: passed over
    "broken line\n"
    ":x:0:0::/:\n"
    "odd.name_1$:x:77:78::relative:\n";
constexpr std::string_view group =
    "root:x:0:\n"
    "web:x:34:\n"
    "logs:x:44:daemon,web\n"
    "adm:x:45:webby,web\n"
    "huge:x:99999999999:web\n"
    "0x0:x:0:\n"
    "4294967296:x:0:\n";

User user(std::string_view text, const std::vector<std::string>& groups = {}) {
  return resolve_user(text, groups, passwd, group);
}

using Gids = std::vector<std::uint32_t>;

TEST(Users, Forms) {
  EXPECT_EQ(user(""), (User{0, 0, {0}, "/root"}));
  EXPECT_EQ(user("root"), (User{0, 0, {0}, "/root"}));
  EXPECT_EQ(user("0"), (User{0, 0, {0}, "/root"}));
  EXPECT_EQ(user("00"), (User{0, 0, {0}, "/root"}));
  EXPECT_EQ(user("web"), (User{33, 34, {34, 44, 45}, "/srv"}));
  EXPECT_EQ(user("33"), (User{33, 34, {34, 44, 45}, "/srv"}));
  EXPECT_EQ(user("1000"), (User{1000, 0, {0}, "/"}));
  EXPECT_EQ(user("1000:1000"), (User{1000, 1000, {1000}, "/"}));
  EXPECT_EQ(user("web:logs"), (User{33, 44, {44}, "/srv"}));
  EXPECT_EQ(user("33:44"), (User{33, 44, {44}, "/srv"}));
  EXPECT_EQ(user("1:web"), (User{1, 34, {34}, "/usr/sbin"}));
  EXPECT_EQ(user("2147483647:2147483647"), (User{2147483647, 2147483647, {2147483647}, "/"}));
  EXPECT_EQ(user("odd.name_1$"), (User{77, 78, {78}, "/"}));
}

TEST(Users, AddedGroups) {
  EXPECT_EQ(user("web", {"root", "1234"}).gids, (Gids{0, 34, 44, 45, 1234}));
  EXPECT_EQ(user("1000:1000", {"logs"}).gids, (Gids{44, 1000}));
  EXPECT_EQ(user("web", {"44", "44"}).gids, (Gids{34, 44, 45}));
}

TEST(Users, AllDigitsIsANumberOrAnError) {
  for (const char* bad :
       {"2147483648", "4294967296", "99999999999", "99999999999999999999999", "1:4294967296", "0:2147483648"}) {
    try {
      user(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-USER-INVALID") << bad;
    }
  }
}

TEST(Users, OddFormsAreErrors) {
  for (const char* bad : {"-1",  "+0",   "0x0",  " 0",  "0 ",   "\t0",  "1:",    ":2",   ":",   "1:2:3",
                          "a b", "web:", ":web", "0\n", "1:-1", "1:+0", "1:0x0", "../x", "a/b", "web:lo gs"}) {
    try {
      User u = user(bad);
      ADD_FAILURE() << bad << " is " << u.uid;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-USER-INVALID") << bad;
    }
    EXPECT_THROW(check_user(bad), Error) << bad;
  }
}

TEST(Users, UnknownNames) {
  for (const char* bad : {"nobody", "webby", "big", "web:nogroup", "1:huge"}) {
    try {
      user(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-USER-UNKNOWN") << bad;
    }
  }
  EXPECT_EQ(resolve_user("root", {}, "", ""), (User{0, 0, {0}, "/root"}));
  EXPECT_THROW(resolve_user("web", {}, "", ""), Error);
}

class UserFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/servin-users-XXXXXX";
    dir_ = ::mkdtemp(name);
    make_dirs(dir_ + "/etc", 0755);
    root_ = open_file(dir_, O_PATH | O_DIRECTORY);
  }
  void TearDown() override { remove_tree(dir_); }
  std::string dir_;
  Fd root_;
};

TEST_F(UserFiles, MissingFilesAreEmpty) { EXPECT_EQ(resolve_user_in(root_, "5", {}).uid, 5U); }

TEST_F(UserFiles, LinksInsideTheRootWork) {
  make_dirs(dir_ + "/usr/etc", 0755);
  write_file(dir_ + "/usr/etc/passwd", "web:x:33:33::/:\n");
  ASSERT_EQ(::symlink("/usr/etc/passwd", (dir_ + "/etc/passwd").c_str()), 0);
  EXPECT_EQ(resolve_user_in(root_, "web", {}).uid, 33U);
}

TEST_F(UserFiles, LinksOutOfTheRootDoNot) {
  ASSERT_EQ(::symlink("../../../../../../etc/passwd", (dir_ + "/etc/passwd").c_str()), 0);
  EXPECT_THROW(resolve_user_in(root_, "root", {}), Error);  // a loop onto itself, inside
}

TEST_F(UserFiles, AnythingButARegularFileIsAnError) {
  ASSERT_EQ(::mkfifo((dir_ + "/etc/passwd").c_str(), 0644), 0);
  EXPECT_THROW(resolve_user_in(root_, "root", {}), Error);
  ASSERT_EQ(::unlink((dir_ + "/etc/passwd").c_str()), 0);
  make_dirs(dir_ + "/etc/passwd", 0755);
  EXPECT_THROW(resolve_user_in(root_, "root", {}), Error);
}

TEST_F(UserFiles, HugeFilesAreAnError) {
  Fd file = open_file(dir_ + "/etc/passwd", O_RDWR | O_CREAT, 0644);
  ASSERT_EQ(::ftruncate(file.get(), std::int64_t{1} << 30), 0);
  EXPECT_THROW(resolve_user_in(root_, "root", {}), Error);
}

TEST_F(UserFiles, OneLongLineIsNoProblem) {
  write_file(dir_ + "/etc/passwd", std::string(6U << 20U, 'x') + "\nweb:x:33:33::/:\n");
  EXPECT_EQ(resolve_user_in(root_, "web", {}).uid, 33U);
}

}  // namespace
}  // namespace servin::runtime
