// SPDX-License-Identifier: Apache-2.0
#include "engine/local/volume_options.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "base/error.h"
#include "linux/id_map.h"

namespace servin::engine {
namespace {

using Kind = VolumeSource::Kind;

TEST(VolumeOptions, Kinds) {
  EXPECT_EQ(plan_volume({}).kind, Kind::folder);
  VolumeSource memory = plan_volume({{"type", "tmpfs"}, {"o", "size=1m,uid=5,ro,nosuid"}});
  EXPECT_EQ(memory.kind, Kind::mount);
  EXPECT_EQ(memory.device, "tmpfs");
  EXPECT_EQ(memory.data, "size=1m,uid=5");
  EXPECT_EQ(memory.flags, static_cast<unsigned long>(MS_RDONLY | MS_NOSUID));
  EXPECT_EQ(plan_volume({{"type", "tmpfs"}, {"size", "2k"}}).data, "size=2048");
  VolumeSource bind = plan_volume({{"type", "none"}, {"o", "bind"}, {"device", "/srv//x/"}});
  EXPECT_EQ(bind.kind, Kind::bind);
  EXPECT_EQ(bind.device, "/srv/x");
  VolumeSource net = plan_volume({{"type", "nfs"}, {"o", "addr=10.0.0.1,rw,vers=4"}, {"device", ":/x"}});
  EXPECT_EQ(net.kind, Kind::mount);
  EXPECT_EQ(net.data, "addr=10.0.0.1,vers=4");
}

TEST(VolumeOptions, Refused) {
  using Map = std::map<std::string, std::string>;
  for (const Map& bad : {Map{{"o", "bind"}}, Map{{"o", "bind"}, {"device", "x"}}, Map{{"type", "ext4"}},
                         Map{{"type", "nfs"}, {"device", ":/x"}}, Map{{"tpye", "tmpfs"}}, Map{{"device", "/dev/sda"}},
                         Map{{"size", "1g"}}, Map{{"size", "x"}}})
    EXPECT_THROW(plan_volume(bad), Error) << bad.begin()->first;
}

TEST(IdMap, SwapsTwo) {
  EXPECT_EQ(kernel::swapped_ids(1000, 5), "0 0 5\n5 1000 1\n6 6 994\n1000 5 1\n1001 1001 4294966294\n");
  EXPECT_EQ(kernel::swapped_ids(0, 1), "0 1 1\n1 0 1\n2 2 4294967293\n");
  EXPECT_EQ(kernel::swapped_ids(7, 7), "0 0 7\n7 7 1\n8 8 4294967287\n");
}

}  // namespace
}  // namespace servin::engine
