// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/mount_options.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "runtime/defaults.h"
#include "runtime/linux/overlay.h"

namespace servin::runtime {
namespace {

TEST(MountOptions, Words) {
  MountPlan p = plan_mount({"/data", "bind", "/src", {"rbind", "rro", "nosuid", "rslave"}});
  EXPECT_EQ(p.kind, MountPlan::Kind::bind);
  EXPECT_TRUE(p.recursive);
  EXPECT_TRUE(p.recursive_attributes) << "read-only holds for the mounts below";
  EXPECT_EQ(p.set, 1U | 2U);
  EXPECT_EQ(p.propagation, 1U << 19);
  EXPECT_TRUE(p.propagation_recursive);
  EXPECT_FALSE(plan_mount({"/data", "bind", "/src", {"rbind", "ro"}}).recursive_attributes);
  oci::SpecMount layers{"/img", "overlay", "", {"ro"}};
  layers.lowers = {"/b", "/a"};
  EXPECT_EQ(plan_mount(layers).kind, MountPlan::Kind::layers);
  p = plan_mount({"/run", "tmpfs", "tmpfs", {"size=10m", "mode=700", "exec", "noatime"}});
  EXPECT_EQ(p.kind, MountPlan::Kind::filesystem);
  EXPECT_EQ(p.options, (std::vector<KeyValue>{{"size", "10m"}, {"mode", "700"}}));
  EXPECT_EQ(plan_mount({"/dev", "tmpfs", "tmpfs", {}}).kind, MountPlan::Kind::dev);
  EXPECT_EQ(plan_mount({"/sys/fs/cgroup", "cgroup", "cgroup", {"ro"}}).kind, MountPlan::Kind::cgroup);
  EXPECT_TRUE(plan_mount({"/dev/pts", "devpts", "devpts", {"newinstance"}}).options.empty());
}

TEST(MountOptions, Refused) {
  std::vector<oci::SpecMount> bad = {{"", "tmpfs", "", {}},
                                     {"relative", "tmpfs", "", {}},
                                     {"/", "tmpfs", "", {}},
                                     {"//./", "bind", "/x", {}},
                                     {"/x", "bind", "relative", {}},
                                     {"/x", "bind", "", {}},
                                     {"/x", "ext4", "/dev/sda", {}},
                                     {"/x", "bind", "/y", {"size=1"}},
                                     {"/x", "overlay", "overlay", {}},
                                     {"/x", "tmpfs", "", {"source=/etc"}},
                                     {"/x", "bind", "/y", {"bogus"}},
                                     {std::string("/a\0b", 4), "tmpfs", "", {}}};
  for (const auto& m : bad) EXPECT_THROW(plan_mount(m), Error) << m.destination << " " << m.type;
}

TEST(Overlay, EscapesLayers) { EXPECT_EQ(escape_layer("/a:b\\c,d"), "/a\\:b\\\\c\\,d"); }

TEST(Mounts, ParentsComeFirst) {
  std::vector<oci::SpecMount> m = {
      {"/a/b/c", "", "", {}}, {"/a", "", "", {}}, {"/b/", "", "", {}}, {"//a/b", "", "", {}}};
  sort_mounts(m);
  EXPECT_EQ(m[0].destination, "/a");
  EXPECT_EQ(m[1].destination, "/b/");
  EXPECT_EQ(m[2].destination, "//a/b");
  EXPECT_EQ(m[3].destination, "/a/b/c");
}

}  // namespace
}  // namespace servin::runtime
