// SPDX-License-Identifier: Apache-2.0
#include "image/save.h"

#include "archive/tar_reader.h"
#include "image/test_kit.h"

namespace servin::image::testing {
namespace {

class SaveTest : public StoreTest {
 protected:
  std::string saved(const std::vector<std::string>& images, SaveForm form, const std::string& name = "out.tar") {
    std::string path = base_ + "/" + name;
    {
      Fd out = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
      save(*store_, images, form, out, path, nullptr);
    }
    return read_file(path, 64U << 20U).value();
  }
  static std::map<std::string, std::string> members(const std::string& tar) {
    archive::MemorySource source(tar);
    archive::TarReader reader(source);
    archive::TarEntry entry;
    std::map<std::string, std::string> files;
    while (reader.next(entry)) {
      EXPECT_FALSE(files.contains(entry.path)) << entry.path << " twice";
      EXPECT_EQ(entry.mtime, 0);
      files[entry.path] = reader.read_all(1U << 20U);
    }
    return files;
  }
  Sample one_ = Sample({make_tar({{"a", "1"}}), make_tar({{"x", "a"}})}, true);
  Sample two_ = Sample({make_tar({{"a", "1"}}), make_tar({{"y", "b"}})}, true);
};

TEST_F(SaveTest, OciKeepsTheManifest) {
  load_bytes(tar_of(layout_of({{"x/one:1", &one_}})));
  auto files = members(saved({"x/one:1"}, SaveForm::oci_archive));
  EXPECT_EQ(files.at("blobs/sha256/" + oci::Digest::of(one_.manifest_json()).hex()), one_.manifest_json());
  oci::Index index = oci::parse_index(files.at("index.json"));
  EXPECT_EQ(index.manifests.at(0).annotations.at("org.opencontainers.image.ref.name"), "1");
  EXPECT_EQ(index.manifests.at(0).annotations.at("io.containerd.image.name"), "docker.io/x/one:1");
  EXPECT_TRUE(files.contains("oci-layout"));
  EXPECT_FALSE(files.contains("manifest.json"));
}

TEST_F(SaveTest, WhatIsSavedLoadsAsTheSame) {
  load_bytes(tar_of(layout_of({{"one:1", &one_}, {"two:1", &two_}})));
  store_->tag("one:1", "one:extra");
  for (SaveForm form : {SaveForm::docker_archive, SaveForm::oci_archive}) {
    std::string bytes = saved({"one:1", "two:1", "one:extra"}, form);
    Paths paths = default_paths(base_ + "/fresh" + std::to_string(static_cast<int>(form)));
    state::Database db(paths);
    FolderLayers layers(paths);
    ImageStore store(paths, db, layers);
    std::string path = file("again.tar", bytes);
    Fd fd = open_file(path, O_RDONLY);
    EXPECT_EQ(load(store, fd, path, {}, nullptr).size(), 3U);
    for (const char* name : {"one:1", "two:1", "one:extra"}) {
      EXPECT_EQ(store.resolve(name).id, store_->resolve(name).id);
      EXPECT_EQ(store.resolve(name).manifest_digest, store_->resolve(name).manifest_digest);
    }
  }
}

TEST_F(SaveTest, SharedBlobsAreThereOnceAndBytesAreAlwaysTheSame) {
  load_bytes(tar_of(layout_of({{"one:1", &one_}, {"two:1", &two_}})));
  std::string first = saved({"one:1", "two:1"}, SaveForm::docker_archive);
  members(first);
  EXPECT_EQ(first, saved({"one:1", "two:1"}, SaveForm::docker_archive, "again.tar"));
  auto items = oci::parse_docker_archive(members(first).at("manifest.json"));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].tags, std::vector<std::string>{"docker.io/library/one:1"});
  EXPECT_EQ(items[0].layers[0], items[1].layers[0]);
}

TEST_F(SaveTest, ByIdWithoutAName) {
  load_bytes(tar_of(layout_of({{"one:1", &one_}})));
  auto files = members(saved({one_.id()}, SaveForm::docker_archive));
  EXPECT_TRUE(oci::parse_index(files.at("index.json")).manifests.at(0).annotations.empty());
  EXPECT_TRUE(oci::parse_docker_archive(files.at("manifest.json")).at(0).tags.empty());
}

TEST_F(SaveTest, DamagedBlobsAreNoticed) {
  load_bytes(tar_of(layout_of({{"one:1", &one_}})));
  std::string blob = paths_.blob(oci::Digest::of(one_.stored[0]).hex());
  std::string bytes = one_.stored[0];
  bytes[30] = static_cast<char>(bytes[30] ^ 4);
  write_file(blob, bytes);
  EXPECT_EQ(error_of([&] { saved({"one:1"}, SaveForm::oci_archive); }), "E-IMAGE-DAMAGED");
  write_file(blob, "short");
  EXPECT_EQ(error_of([&] { saved({"one:1"}, SaveForm::oci_archive); }), "E-IMAGE-DAMAGED");
  remove_tree(blob);
  EXPECT_EQ(error_of([&] { saved({"one:1"}, SaveForm::oci_archive); }), "E-IMAGE-DAMAGED");
  EXPECT_EQ(hint_, "load the image again");
}

TEST_F(SaveTest, FullDisksAreErrors) {
  load_bytes(tar_of(layout_of({{"one:1", &one_}})));
  Fd full = open_file("/dev/full", O_WRONLY);
  EXPECT_NE(error_of([&] { save(*store_, {"one:1"}, SaveForm::oci_archive, full, "/dev/full", nullptr); }), "");
}

}  // namespace
}  // namespace servin::image::testing
