// SPDX-License-Identifier: Apache-2.0
#include "image/verify.h"

#include <random>

#include <sys/stat.h>

#include "image/compare.h"
#include "image/test_kit.h"

namespace servin::image::testing {
namespace {

class VerifyTest : public StoreTest {
 protected:
  VerifyTest() {
    load_bytes(tar_of(layout_of({{"app:1", &sample_}})));
    layer_ = layers_->path(store_->resolve("app:1").chain[0]) + "/fs";
  }
  std::vector<Finding> findings(bool repair = false) { return verify(*store_, repair, nullptr).findings; }

  Sample sample_ = Sample(
      {make_tar({{"etc/", ""}, {"etc/a", std::string(3000, 'a')}, {"etc/l>", "a"}}), make_tar({{"etc/b", "b"}})}, true);
  std::string layer_;
};

TEST_F(VerifyTest, AWholeStoreIsWhole) {
  Verified result = verify(*store_, false, nullptr);
  EXPECT_EQ(result.images, 1U);
  EXPECT_EQ(result.blobs, 2U);
  EXPECT_EQ(result.layers, 2U);
  EXPECT_TRUE(result.findings.empty());
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
}

TEST_F(VerifyTest, EveryFlippedBitOfABlobIsFound) {
  std::string path = paths_.blob(oci::Digest::of(sample_.stored[0]).hex());
  std::mt19937 random(1);
  for (int i = 0; i < 30; ++i) {
    std::string bytes = sample_.stored[0];
    std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
    write_file(path, bytes);
    ASSERT_EQ(findings().size(), 1U) << at;
  }
  remove_tree(path);
  EXPECT_EQ(findings().at(0).detail, "is not there");
}

TEST_F(VerifyTest, LoadingAgainCuresByItself) {
  std::string archive = tar_of(layout_of({{"app:1", &sample_}}));
  std::string blob = paths_.blob(oci::Digest::of(sample_.stored[0]).hex());
  std::string bytes = sample_.stored[0];
  bytes[bytes.size() / 2] ^= 1;  // of the same size
  write_file(blob, bytes);
  load_bytes(archive);
  EXPECT_TRUE(findings().empty());
  write_file(layer_ + "/etc/a", std::string(2999, 'a') + "b");
  ASSERT_EQ(findings().size(), 1U);
  load_bytes(archive);
  EXPECT_TRUE(findings().empty());
  EXPECT_EQ(content("app:1", "etc/a"), std::string(3000, 'a'));
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
}

TEST_F(VerifyTest, ALayerIsNotReplacedUnderARunningContainer) {
  store_->know_running([](const oci::Digest&) { return std::vector<std::string>{"web"}; });
  write_file(layer_ + "/etc/a", "damaged");
  auto found = findings(true);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].repaired);
  EXPECT_NE(found[0].fix.find("web"), std::string::npos);
  load_bytes(tar_of(layout_of({{"app:1", &sample_}})));
  EXPECT_EQ(content("app:1", "etc/a"), "damaged");
  store_->know_running([](const oci::Digest&) { return std::vector<std::string>(); });
  load_bytes(tar_of(layout_of({{"app:1", &sample_}})));
  EXPECT_TRUE(findings().empty());
}

TEST_F(VerifyTest, ADamagedBlobTakesItsImageAlongAndLoadingCuresIt) {
  std::string path = paths_.blob(oci::Digest::of(sample_.stored[0]).hex());
  write_file(path, "damaged");
  auto found = findings(true);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].repaired);
  EXPECT_EQ(found[0].fix, "load again: app:1");
  expect_empty();
  load_bytes(tar_of(layout_of({{"app:1", &sample_}})));
  EXPECT_TRUE(findings().empty());
}

TEST_F(VerifyTest, ChangesInALayerAreFoundAndRepaired) {
  const std::vector<std::pair<std::string, std::function<void()>>> damage = {
      {"content", [&] { write_file(layer_ + "/etc/a", std::string(2999, 'a') + "b", 0644); }},
      {"size", [&] { write_file(layer_ + "/etc/a", "short", 0644); }},
      {"mode", [&] { ASSERT_EQ(::chmod((layer_ + "/etc/a").c_str(), 04755), 0); }},
      {"missing", [&] { remove_tree(layer_ + "/etc/a"); }},
      {"added", [&] { write_file(layer_ + "/etc/new", "x"); }},
      {"link target",
       [&] {
         remove_tree(layer_ + "/etc/l");
         ASSERT_EQ(::symlink("b", (layer_ + "/etc/l").c_str()), 0);
       }},
      {"type",
       [&] {
         remove_tree(layer_ + "/etc/a");
         make_dirs(layer_ + "/etc/a");
       }},
      {"folder's mode", [&] { ASSERT_EQ(::chmod((layer_ + "/etc").c_str(), 0777), 0); }},
      {"root's mode", [&] { ASSERT_EQ(::chmod(layer_.c_str(), 0777), 0); }},
      {"hard link",
       [&] {
         remove_tree(layer_ + "/etc/a");
         write_file(base_ + "/outside", std::string(3000, 'a'), 0644);
         ASSERT_EQ(::link((base_ + "/outside").c_str(), (layer_ + "/etc/a").c_str()), 0);
       }},
      {"gone", [&] { remove_tree(layer_.substr(0, layer_.size() - 3)); }},
  };
  for (const auto& [what, apply] : damage) {
    apply();
    auto found = findings();
    ASSERT_EQ(found.size(), 1U) << what;
    EXPECT_FALSE(found[0].fix.empty());
    found = findings(true);
    ASSERT_EQ(found.size(), 1U) << what;
    EXPECT_TRUE(found[0].repaired) << what << ": " << found[0].detail;
    EXPECT_TRUE(findings().empty()) << what;
    EXPECT_EQ(content("app:1", "etc/a"), std::string(3000, 'a'));
  }
}

TEST_F(VerifyTest, DamagedRowsOfTheDatabase) {
  auto row = db_->image(sample_.id()).value();
  row.config_json += " ";
  db_->put_image(row, {});
  auto found = findings();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].detail.find("config"), std::string::npos);
  EXPECT_TRUE(findings(true).at(0).repaired);
  expect_empty();
}

TEST_F(VerifyTest, ImagesOfContainersStay) {
  state::ContainerRow row;
  row.id = new_id();
  row.name = "web";
  row.image_id = sample_.id();
  row.config_json = "{}";
  db_->add_container(row);
  write_file(paths_.blob(oci::Digest::of(sample_.stored[0]).hex()), "damaged");
  auto found = findings(true);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].repaired);
  EXPECT_EQ(store_->resolve("app:1").id, sample_.id());
  // Loading it again puts the blob back.
  load_bytes(tar_of(layout_of({{"app:1", &sample_}})));
  EXPECT_TRUE(findings().empty());
}

}  // namespace
}  // namespace servin::image::testing
