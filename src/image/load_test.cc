// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <sys/stat.h>

#include "image/test_kit.h"

namespace servin::image::testing {
namespace {

class LoadTest : public StoreTest {
 protected:
  Sample two_ = Sample({make_tar({{"etc/", ""}, {"etc/a", "one"}, {"bin/", ""}}), make_tar({{"etc/b", "two"}})});
  Sample zipped_ = Sample({make_tar({{"etc/", ""}, {"etc/a", "zipped"}})}, true);
};

TEST_F(LoadTest, OldDockerArchive) {
  auto loaded = load_bytes(tar_of(docker_of({{"sample:1", &two_}})));
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].id, two_.id());
  EXPECT_EQ(loaded[0].reference, "docker.io/library/sample:1");
  EXPECT_FALSE(loaded[0].existed);
  EXPECT_EQ(content("sample:1", "etc/a"), "one");
  EXPECT_EQ(content("sample:1", "etc/b"), "two");
  Image image = store_->resolve("sample:1");
  EXPECT_EQ(image.size, 6U);
  EXPECT_EQ(image.created, parse_time("2024-05-06T07:08:09Z"));
  EXPECT_TRUE(list_dir(paths_.tmp()).empty());
}

TEST_F(LoadTest, TheManifestOfADockerArchiveIsAlwaysTheSame) {
  load_bytes(tar_of(docker_of({{"sample:1", &two_}})));
  oci::Digest first = store_->resolve("sample:1").manifest_digest;
  EXPECT_EQ(first, oci::Digest::of(two_.manifest_json()));
}

TEST_F(LoadTest, LayersThatAreLinksToOthers) {
  auto files = docker_of({{"sample:1", &two_}});
  std::string path = two_.config.diff_ids[1].hex() + "/layer.tar";
  Files list;
  for (const auto& [name, bytes] : files) {
    if (name == path) {
      list.emplace_back("elsewhere.tar", bytes);
      list.emplace_back(name + ">", "../elsewhere.tar");
    } else {
      list.emplace_back(name, bytes);
    }
  }
  load_bytes(make_tar(list));
  EXPECT_EQ(content("sample:1", "etc/b"), "two");
}

TEST_F(LoadTest, OciLayoutKeepsItsManifest) {
  auto loaded = load_bytes(tar_of(layout_of({{"x/sample:2", &zipped_}})));
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].reference, "docker.io/x/sample:2");
  Image image = store_->resolve("x/sample:2");
  EXPECT_EQ(image.manifest_json, zipped_.manifest_json());
  EXPECT_EQ(read_file(paths_.blob(oci::Digest::of(zipped_.stored[0]).hex())), zipped_.stored[0]);
  EXPECT_EQ(content("x/sample:2", "etc/a"), "zipped");
}

TEST_F(LoadTest, BareTagsTakeTheArchivesName) {
  std::string bytes = tar_of(layout_of({{"latest", &zipped_}}));
  EXPECT_EQ(load_bytes(bytes, {}, "Busy.oci.tar").at(0).reference, "docker.io/library/busy:latest");
  EXPECT_EQ(load_bytes(bytes, {}, "-.tar").at(0).reference, "");
  EXPECT_EQ(load_bytes(tar_of(layout_of({{"1.2", &zipped_}})), {}, "a.tar").at(0).reference, "docker.io/library/a:1.2");
  EXPECT_EQ(load_bytes(tar_of(layout_of({{"word", &zipped_}})), {}, "a.tar").at(0).reference,
            "docker.io/library/word:latest");
}

TEST_F(LoadTest, LayoutAsAFolder) {
  for (const auto& [name, bytes] : layout_of({{"folder:1", &zipped_}})) {
    make_dirs(base_ + "/layout/blobs/sha256");
    write_file(base_ + "/layout/" + name, bytes);
  }
  Fd folder = open_file(base_ + "/layout", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(load(*store_, folder, "layout", {}, nullptr).at(0).id, zipped_.id());
  EXPECT_EQ(content("folder:1", "etc/a"), "zipped");
}

TEST_F(LoadTest, FoldersThroughLinksAreRefused) {
  std::string blob = "blobs/sha256/" + oci::Digest::of(zipped_.stored[0]).hex();
  for (const auto& [name, bytes] : layout_of({{"folder:1", &zipped_}})) {
    make_dirs(base_ + "/layout/blobs/sha256");
    write_file(base_ + "/" + (name == blob ? "outside" : "layout/" + name), bytes);
  }
  ASSERT_EQ(::symlink("../../../outside", (base_ + "/layout/" + blob).c_str()), 0);
  Fd folder = open_file(base_ + "/layout", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(error_of([&] { load(*store_, folder, "layout", {}, nullptr); }), "E-IMAGE-INVALID");
  // Nor does a fifo make anybody wait.
  ::unlink((base_ + "/layout/" + blob).c_str());
  ASSERT_EQ(::mkfifo((base_ + "/layout/" + blob).c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { load(*store_, folder, "layout", {}, nullptr); }), "E-IMAGE-INVALID");
  // The whole folder of blobs as a link.
  rename_path(base_ + "/layout/blobs", base_ + "/blobs");
  ASSERT_EQ(::symlink("../blobs", (base_ + "/layout/blobs").c_str()), 0);
  EXPECT_EQ(error_of([&] { load(*store_, folder, "layout", {}, nullptr); }), "E-IMAGE-INVALID");
  expect_empty();
}

TEST_F(LoadTest, CompressedArchivesAndPipes) {
  std::string plain = tar_of(docker_of({{"sample:1", &two_}}));
  EXPECT_EQ(load_bytes(gzip(plain)).at(0).id, two_.id());
  Pipe pipe = make_pipe();
  std::string bytes = tar_of(layout_of({{"piped:1", &zipped_}}));
  std::thread writer([&] {
    write_all(pipe.write, bytes, "pipe");
    pipe.write.reset();
  });
  auto loaded = load(*store_, pipe.read, "-", {}, nullptr);
  writer.join();
  EXPECT_EQ(loaded.at(0).reference, "docker.io/library/piped:1");
  EXPECT_EQ(content("piped:1", "etc/a"), "zipped");
}

TEST_F(LoadTest, SeveralImagesAndOneOfThem) {
  std::string bytes = tar_of(docker_of({{"one:1", &two_}, {"two:2", &zipped_}}));
  LoadOptions options;
  options.name = "two:2";
  EXPECT_EQ(load_bytes(bytes, options).at(0).id, zipped_.id());
  EXPECT_EQ(db_->images().size(), 1U);
  options.name = "three";
  EXPECT_EQ(error_of([&] { load_bytes(bytes, options); }), "E-IMAGE-NOT-FOUND");
  EXPECT_NE(hint_.find("docker.io/library/one:1"), std::string::npos);
  EXPECT_EQ(load_bytes(bytes).size(), 2U);
  EXPECT_EQ(db_->images().size(), 2U);
}

TEST_F(LoadTest, ANameOfOnesOwn) {
  LoadOptions options;
  options.name = "mine:7";
  EXPECT_EQ(load_bytes(tar_of(docker_of({{"sample:1", &two_}})), options).at(0).reference, "docker.io/library/mine:7");
  EXPECT_EQ(db_->references().size(), 1U);
  options.name = "base";
  EXPECT_EQ(error_of([&] { load_bytes(tar_of(docker_of({{"sample:1", &two_}})), options); }), "invalid_argument");
}

TEST_F(LoadTest, NobodyTakesTheBuiltInsName) {
  auto loaded = load_bytes(tar_of(docker_of({{"localhost/servin/base:latest", &two_}})));
  EXPECT_EQ(loaded.at(0).reference, "");
  EXPECT_NE(store_->resolve("base").id, two_.id());
  EXPECT_EQ(error_of([&] { store_->tag(two_.id(), "base"); }), "invalid_argument");
}

TEST_F(LoadTest, PlatformsOfAnIndex) {
  Sample arm({make_tar({{"which", "arm"}})}, false, "linux/arm64");
  Sample amd({make_tar({{"which", "amd"}})}, false, "linux/amd64");
  std::map<std::string, std::string> files = {{"oci-layout", "{}"}};
  arm.add_blobs(files);
  amd.add_blobs(files);
  oci::Descriptor a = arm.descriptor(), b = amd.descriptor(), attestation = amd.descriptor();
  a.platform = oci::Platform::parse("linux/arm64/v8");
  b.platform = oci::Platform::parse("linux/amd64");
  attestation.platform = oci::Platform{"unknown", "unknown", ""};
  std::string inner = index_of({attestation, a, b});
  files["blobs/sha256/" + oci::Digest::of(inner).hex()] = inner;
  oci::Descriptor outer;
  outer.media_type = oci::media_type::oci_index;
  outer.digest = oci::Digest::of(inner);
  outer.size = inner.size();
  outer.annotations["io.containerd.image.name"] = "docker.io/library/multi:1";
  files["index.json"] = index_of({outer});
  std::string bytes = tar_of(files);

  LoadOptions options;
  options.platform = "linux/arm64";
  EXPECT_EQ(load_bytes(bytes, options).at(0).id, arm.id());
  options.platform = "linux/amd64";
  EXPECT_EQ(load_bytes(bytes, options).at(0).id, amd.id());
  options.platform = "linux/s390x";
  EXPECT_EQ(error_of([&] { load_bytes(bytes, options); }), "E-IMAGE-PLATFORM");
  EXPECT_NE(hint_.find("linux/arm64/v8, linux/amd64"), std::string::npos) << hint_;
  // The same as entries of the layout's own index.
  a.annotations["org.opencontainers.image.ref.name"] = b.annotations["org.opencontainers.image.ref.name"] = "flat:1";
  files["index.json"] = index_of({a, b});
  options.platform = "arm64";
  EXPECT_EQ(load_bytes(tar_of(files), options).at(0).id, arm.id());
}

TEST_F(LoadTest, OneImageOfAnotherPlatformLoadsUnlessAskedOtherwise) {
  Sample other({make_tar({{"x", "y"}})}, false, "linux/s390x");
  EXPECT_EQ(load_bytes(tar_of(layout_of({{"other:1", &other}}))).at(0).id, other.id());
  EXPECT_EQ(load_bytes(tar_of(docker_of({{"other:2", &other}}))).at(0).id, other.id());
  LoadOptions options;
  options.platform = "linux/arm64";
  EXPECT_EQ(error_of([&] { load_bytes(tar_of(layout_of({{"o:1", &other}})), options); }), "E-IMAGE-PLATFORM");
  EXPECT_EQ(error_of([&] { load_bytes(tar_of(docker_of({{"o:1", &other}})), options); }), "E-IMAGE-PLATFORM");
  EXPECT_EQ(error_of([&] { store_->resolve("other:1", "linux/arm64"); }), "E-IMAGE-PLATFORM");
}

TEST_F(LoadTest, DockerArchiveWithALayoutInside) {
  auto files = layout_of({{"", &zipped_}});
  oci::DockerArchiveItem item;
  item.config = "blobs/sha256/" + oci::Digest::of(zipped_.config_json()).hex();
  item.tags = {"both:1", "both:2"};
  item.layers = {"blobs/sha256/" + oci::Digest::of(zipped_.stored[0]).hex()};
  files["manifest.json"] = oci::to_json(std::vector{item});
  EXPECT_EQ(load_bytes(tar_of(files)).size(), 2U);
  EXPECT_EQ(store_->resolve("both:2").manifest_json, zipped_.manifest_json());
  // Without its index it is a docker archive with other paths.
  files.erase("index.json");
  files.erase("oci-layout");
  EXPECT_TRUE(load_bytes(tar_of(files)).at(0).existed);
}

TEST_F(LoadTest, RootFileSystem) {
  std::string tar = make_tar({{"bin/", ""}, {"bin/sh", "shell"}});
  EXPECT_EQ(error_of([&] { load_bytes(tar); }), "E-IMAGE-INVALID");
  expect_empty();
  LoadOptions options;
  options.name = "root:1";
  options.changes = {"CMD [\"/bin/sh\"]", "ENV A=1 B=\"two words\"", "EXPOSE 80"};
  options.message = "from tests";
  for (const std::string& bytes : {tar, gzip(tar)}) {
    load_bytes(bytes, options);
    Image image = store_->resolve("root:1");
    EXPECT_EQ(image.config.cmd, std::vector<std::string>{"/bin/sh"});
    EXPECT_EQ(image.config.env, (std::vector<std::string>{"A=1", "B=two words"}));
    EXPECT_EQ(image.config.diff_ids.at(0), oci::Digest::of(tar));
    EXPECT_EQ(store_->history(image).at(0).comment, "from tests");
    EXPECT_EQ(content("root:1", "bin/sh"), "shell");
  }
  options.changes = {"RUN x"};
  EXPECT_EQ(error_of([&] { load_bytes(tar, options); }), "E-OPTION-VALUE");
  options.changes.clear();
  EXPECT_NE(error_of([&] { load_bytes(make_tar({{"a/.wh.b", ""}}), options); }), "");
}

TEST_F(LoadTest, ChangesAreForRootFileSystems) {
  LoadOptions options;
  options.changes = {"CMD x"};
  EXPECT_EQ(error_of([&] { load_bytes(tar_of(docker_of({{"sample:1", &two_}})), options); }), "invalid_argument");
}

TEST_F(LoadTest, ASecondTimeReadsNothing) {
  std::string bytes = tar_of(layout_of({{"sample:1", &two_}}));
  load_bytes(bytes);
  std::string blob = paths_.blob(oci::Digest::of(two_.stored[0]).hex());
  struct stat before{}, after{};
  ASSERT_EQ(::stat(blob.c_str(), &before), 0);
  EXPECT_TRUE(load_bytes(bytes).at(0).existed);
  ASSERT_EQ(::stat(blob.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(LoadTest, WhatIsMissingIsMadeAgain) {
  std::string bytes = tar_of(layout_of({{"sample:1", &two_}}));
  load_bytes(bytes);
  Image image = store_->resolve("sample:1");
  remove_tree(layers_->path(image.chain[0]));
  remove_tree(paths_.blob(oci::Digest::of(two_.stored[1]).hex()));
  EXPECT_TRUE(load_bytes(bytes).at(0).existed);
  EXPECT_EQ(content("sample:1", "etc/a"), "one");
  EXPECT_EQ(read_file(paths_.blob(oci::Digest::of(two_.stored[1]).hex())), two_.stored[1]);
}

TEST_F(LoadTest, TwoAtOnceHarmNothing) {
  std::string path = file("archive.tar", tar_of(docker_of({{"sample:1", &two_}, {"other:1", &zipped_}})));
  std::atomic<int> good = 0;
  auto work = [&] {
    state::Database db(paths_);
    FolderLayers layers(paths_);
    ImageStore store(paths_, db, layers);
    Fd fd = open_file(path, O_RDONLY);
    if (load(store, fd, path, {}, nullptr).size() == 2) ++good;
  };
  for (int round = 0; round < 5; ++round) {
    good = 0;
    std::thread a(work), b(work);
    a.join();
    b.join();
    EXPECT_EQ(good, 2);
    EXPECT_EQ(content("sample:1", "etc/a"), "one");
    store_->remove("sample:1", true, [](const std::string&) { return ImageStore::Users{}; });
  }
}

TEST_F(LoadTest, OpaqueRootsHideWhatIsBelow) {
  Sample sample({make_tar({{"old", "1"}}), make_tar({{".wh..wh..opq", ""}, {"new", "2"}}), make_tar({{"top", "3"}})});
  load_bytes(tar_of(docker_of({{"opaque:1", &sample}})));
  Image image = store_->resolve("opaque:1");
  EXPECT_EQ(image.chain.size(), 2U);
  EXPECT_EQ(content("opaque:1", "old"), "<none>");
  EXPECT_EQ(content("opaque:1", "new"), "2");
  // The layer below is kept: the image's history and saving need it.
  EXPECT_EQ(layers_->list().size(), 3U);
}

TEST_F(LoadTest, ImpliedFoldersLookLikeThoseBelow) {
  archive::StringSink sink;
  archive::TarWriter tar(sink);
  archive::TarEntry root;
  root.path = "./";
  root.type = archive::TarType::directory;
  root.mode = 0711;
  root.uid = ::geteuid();
  root.gid = ::getegid();
  tar.add(root);
  root.path = "data/";
  root.mode = 01777;
  tar.add(root);
  tar.finish();
  Sample sample({sink.take(), make_tar({{"data/file", "x"}})});
  load_bytes(tar_of(docker_of({{"implied:1", &sample}})));
  std::string top = layers_->path(store_->resolve("implied:1").chain[1]) + "/fs";
  struct stat st{};
  ASSERT_EQ(::stat((top + "/data").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 01777U);
  ASSERT_EQ(::stat(top.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0711U);
}

TEST_F(LoadTest, AnImageWithoutLayers) {
  Sample empty({});
  EXPECT_EQ(load_bytes(tar_of(layout_of({{"scratch:1", &empty}}))).at(0).id, empty.id());
  EXPECT_TRUE(store_->resolve("scratch:1").chain.empty());
}

TEST_F(LoadTest, TellsHowFarItIs) {
  std::string path = file("archive.tar", tar_of(docker_of({{"sample:1", &two_}})));
  Fd fd = open_file(path, O_RDONLY);
  std::vector<Progress> calls;
  load(*store_, fd, path, {}, [&](const Progress& p) { calls.push_back(p); });
  ASSERT_FALSE(calls.empty());
  EXPECT_TRUE(calls.back().finished);
  EXPECT_EQ(calls.back().done, calls.back().total);
  EXPECT_EQ(calls.back().total, two_.stored[0].size() + two_.stored[1].size());
}

}  // namespace
}  // namespace servin::image::testing
