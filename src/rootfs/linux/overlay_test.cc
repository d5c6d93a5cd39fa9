// SPDX-License-Identifier: Apache-2.0
#include "rootfs/linux/overlay.h"

#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "os/file.h"

namespace servin::rootfs {
namespace {

class OverlayTest : public ::testing::Test {
 protected:
  OverlayTest() {
    char name[] = "/tmp/servin-overlay-XXXXXX";
    base_ = ::mkdtemp(name);
    paths_ = default_paths(base_);
  }
  ~OverlayTest() override { remove_tree(base_); }

  oci::Digest add_layer(const std::string& content, unsigned mode = 0755) {
    auto unpack = layers_.begin();
    Fd file = open_at(unpack->open(), "file", O_WRONLY | O_CREAT, 0644);
    write_all(file, content, "file");
    ::fchmod(unpack->open().get(), mode);
    oci::Digest chain = oci::Digest::of(content);
    unpack->commit(chain, chain, content.size());
    return chain;
  }
  static unsigned mode_of(const std::string& path) {
    struct stat st{};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777U;
  }

  std::string base_;
  Paths paths_;
  OverlaySnapshotter layers_{paths_};
};

TEST_F(OverlayTest, LayersAppearWholeOrNotAtAll) {
  {
    auto unpack = layers_.begin();
    open_at(unpack->open(), "file", O_WRONLY | O_CREAT);
    EXPECT_EQ(list_dir(paths_.tmp()).size(), 1U);
    EXPECT_EQ(mode_of(paths_.tmp() + "/" + list_dir(paths_.tmp())[0]), 0700U);
  }
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
  EXPECT_TRUE(layers_.list().empty());
  oci::Digest chain = add_layer("hello");
  EXPECT_TRUE(layers_.has(chain));
  EXPECT_EQ(layers_.size(chain), 5U);
  EXPECT_EQ(layers_.list(), std::vector<oci::Digest>{chain});
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
  char byte = 0;
  Fd file = open_at(layers_.open(chain), "file", O_RDONLY);
  EXPECT_EQ(read_some(file, &byte, 1, "file"), 1U);
  EXPECT_EQ(byte, 'h');
}

TEST_F(OverlayTest, TheFirstOfTwoEqualLayersStays) {
  oci::Digest chain = add_layer("same");
  struct stat before{}, after{};
  std::string path = paths_.snapshots() + "/" + chain.hex() + "/fs";
  ::stat(path.c_str(), &before);
  add_layer("same");
  ::stat(path.c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
}

TEST_F(OverlayTest, RemovalIsARename) {
  oci::Digest chain = add_layer("x");
  layers_.remove(chain);
  EXPECT_FALSE(layers_.has(chain));
  EXPECT_EQ(list_dir(paths_.trash()).size(), 1U);
  layers_.remove(chain);  // not there: nothing to do
  layers_.empty_trash();
  EXPECT_TRUE(list_dir(paths_.trash()).empty());
}

TEST_F(OverlayTest, PreparesAContainer) {
  ::umask(077);
  oci::Digest low = add_layer("low"), high = add_layer("high", 01777);
  ::umask(022);
  std::string id = new_id();
  RootMount mount = layers_.prepare(id, {low.hex(), high.hex()}, true);
  ASSERT_EQ(mount.lowers.size(), 2U);
  EXPECT_EQ(mount.lowers[0], paths_.snapshots() + "/" + high.hex() + "/fs");
  EXPECT_TRUE(mount.volatile_);
  EXPECT_EQ(mode_of(mount.upper), 01777U);  // the image's own root
  EXPECT_EQ(mode_of(paths_.container(id)), 0700U);
  EXPECT_TRUE(path_exists(mount.work));
  EXPECT_TRUE(path_exists(mount.mount_point));
  EXPECT_EQ(layers_.mount_of(id, {low.hex(), high.hex()}, true).lowers, mount.lowers);
  EXPECT_THROW(layers_.prepare(id, {low.hex()}, true), Error);
  layers_.discard(id);
  EXPECT_FALSE(path_exists(paths_.container(id)));
  layers_.discard(id);
  layers_.empty_trash();
}

TEST_F(OverlayTest, NothingRemainsWhenALayerIsMissing) {
  std::string id = new_id();
  try {
    layers_.prepare(id, {oci::Digest::of("missing").hex()}, false);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.id(), "E-LAYER-MISSING");
  }
  EXPECT_FALSE(path_exists(paths_.container(id)));
  EXPECT_THROW(layers_.prepare(id, {"../../etc"}, false), Error);
}

TEST_F(OverlayTest, AnImageWithoutLayers) {
  std::string id = new_id();
  RootMount mount = layers_.prepare(id, {}, false);
  EXPECT_TRUE(mount.lowers.empty());
  EXPECT_EQ(mode_of(mount.upper), 0755U);
}

}  // namespace
}  // namespace servin::rootfs
