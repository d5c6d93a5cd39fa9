// SPDX-License-Identifier: Apache-2.0
#include "cli/copy_plan.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace servin::cli {
namespace {

CopyEnd folder(const char* path) { return {path, true, true}; }
CopyEnd file(const char* path) { return {path, true, false}; }
CopyEnd nothing(const char* path) { return {path, false, false}; }

void expect_copy(const CopyEnd& from, const CopyEnd& to, const char* where, const char* name) {
  CopyPlan plan = plan_copy(from, to);
  EXPECT_EQ(plan.folder, where) << from.path << " " << to.path;
  EXPECT_EQ(plan.name, name) << from.path << " " << to.path;
}

TEST(CopyPlan, PlacesAreDockers) {
  EXPECT_EQ(parse_place("web:/etc").container, "web");
  EXPECT_EQ(parse_place("web:/etc").path, "/etc");
  EXPECT_EQ(parse_place("web:a:b").path, "a:b");
  EXPECT_EQ(parse_place("web:").path, "/");
  EXPECT_EQ(parse_place("./web:/etc").container, "");
  EXPECT_EQ(parse_place("/a:b").path, "/a:b");
  EXPECT_EQ(parse_place("plain").container, "");
  EXPECT_EQ(parse_place("a/b:c").container, "");
  EXPECT_TRUE(parse_place("-").is_stream());
}

TEST(CopyPlan, AFile) {
  expect_copy(file("/a/f"), folder("/d"), "/d", "f");
  expect_copy(file("f"), file("/d/g"), "/d/", "g");
  expect_copy(file("f"), nothing("/d/g"), "/d/", "g");
  expect_copy(file("f"), nothing("g"), ".", "g");
  EXPECT_THROW(plan_copy(file("f"), nothing("/d/")), Error);
  EXPECT_THROW(plan_copy(file("f/"), folder("/d")), Error);
  EXPECT_THROW(plan_copy(file("f/."), folder("/d")), Error);
}

TEST(CopyPlan, AFolder) {
  expect_copy(folder("/a/d"), folder("/e"), "/e", "d");
  expect_copy(folder("/a/d/"), folder("/e"), "/e", "d");
  expect_copy(folder("/a/d/."), folder("/e"), "/e", ".");
  expect_copy(folder("."), folder("/e"), "/e", ".");
  expect_copy(folder("/"), folder("/e"), "/e", ".");
  expect_copy(folder("/a/d"), nothing("/e/new"), "/e/", "new");
  expect_copy(folder("/a/d/."), nothing("/e/new/"), "/e/", "new");
  EXPECT_THROW(plan_copy(folder("/a/d"), file("/e")), Error);
}

TEST(CopyPlan, LinksAreJoined) {
  EXPECT_EQ(join_link("/a/link", "b"), "/a//b");
  EXPECT_EQ(join_link("/a/link", "/b"), "/b");
}

}  // namespace
}  // namespace servin::cli
