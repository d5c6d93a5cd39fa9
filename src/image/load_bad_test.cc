// SPDX-License-Identifier: Apache-2.0
// Archives that lie, are cut or ask for too much: an error, and nothing of them remains.
#include "image/test_kit.h"

namespace servin::image::testing {
namespace {

class BadArchives : public StoreTest {
 protected:
  using FileMap = std::map<std::string, std::string>;
  static std::string blob(const std::string& bytes) { return "blobs/sha256/" + oci::Digest::of(bytes).hex(); }
  std::string layer_blob() const { return blob(sample_.stored[0]); }
  FileMap layout() const { return layout_of({{"bad:1", &sample_}}); }

  /// Loads it and looks for leavings.
  std::string refused(const std::string& bytes, const LoadOptions& options = {}) {
    std::string id = error_of([&] { load_bytes(bytes, options); });
    expect_empty();
    EXPECT_NE(id, "") << "accepted";
    return id;
  }
  std::string refused(const FileMap& files, const LoadOptions& options = {}) { return refused(tar_of(files), options); }

  Sample sample_ = Sample({make_tar({{"etc/", ""}, {"etc/a", std::string(5000, 'x')}}), make_tar({{"b", "c"}})}, true);
};

TEST_F(BadArchives, BytesThatDoNotMatchTheirDigest) {
  FileMap files = layout();
  std::string& bytes = files[layer_blob()];
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  refused(files);  // by the checksum of gzip or by the digest

  files = layout();
  Sample plain({make_tar({{"a", "b"}})});
  FileMap other = layout_of({{"bad:1", &plain}});
  std::string path = blob(plain.stored[0]);
  other[path][600] = 'X';  // the file's content
  EXPECT_EQ(refused(other), "E-IMAGE-DAMAGED");
  EXPECT_NE(message_.find("the digest is"), std::string::npos) << message_;
  other[path] = plain.stored[0] + std::string(512, '\0');
  EXPECT_EQ(refused(other), "E-IMAGE-DAMAGED");
  EXPECT_NE(message_.find("bytes"), std::string::npos) << message_;
}

TEST_F(BadArchives, DocumentsThatDoNotMatchTheirDigest) {
  for (const std::string& path : {blob(sample_.config_json()), blob(sample_.manifest_json())}) {
    FileMap files = layout();
    files[path].back() = ' ';
    EXPECT_EQ(refused(files), "E-IMAGE-DAMAGED");
    files[path] += " ";
    EXPECT_EQ(refused(files), "E-IMAGE-DAMAGED");
    files.erase(path);
    refused(files);
  }
  FileMap docker = docker_of({{"bad:1", &sample_}});
  docker[oci::Digest::of(sample_.config_json()).hex() + ".json"] += " ";
  EXPECT_EQ(refused(docker), "E-IMAGE-DAMAGED");
}

TEST_F(BadArchives, DiffIdsThatLie) {
  Sample liar = sample_;
  liar.config.diff_ids[1] = oci::Digest::of("something else");
  EXPECT_EQ(refused(layout_of({{"bad:1", &liar}})), "E-IMAGE-DAMAGED");
  EXPECT_NE(message_.find("digest of its content"), std::string::npos) << message_;
  EXPECT_EQ(refused(docker_of({{"bad:1", &liar}})), "E-IMAGE-DAMAGED");
  liar.config.diff_ids.pop_back();
  EXPECT_EQ(refused(layout_of({{"bad:1", &liar}})), "E-IMAGE-INVALID");
}

/// A blob that the store has already is not believed to have the diff id that the next archive says.
TEST_F(BadArchives, KnownBlobsUnderAnotherDiffId) {
  load_bytes(tar_of(layout()));
  Sample liar = sample_;
  liar.config.diff_ids[0] = oci::Digest::of("something else");
  EXPECT_EQ(error_of([&] { load_bytes(tar_of(layout_of({{"liar:1", &liar}}))); }), "E-IMAGE-DAMAGED");
  EXPECT_EQ(db_->images().size(), 1U);
}

TEST_F(BadArchives, MissingPieces) {
  for (const auto& [name, bytes] : layout()) {
    if (name == "oci-layout") continue;
    FileMap files = layout();
    files.erase(name);
    refused(files);
  }
  for (const auto& [name, bytes] : docker_of({{"bad:1", &sample_}})) {
    if (name.ends_with("VERSION") || name.ends_with("/json")) continue;
    FileMap files = docker_of({{"bad:1", &sample_}});
    files.erase(name);
    refused(files);
  }
}

TEST_F(BadArchives, CutAnywhere) {
  std::string whole = tar_of(layout());
  // The padding behind the end of the archive may be missing.
  std::size_t end = whole.find_last_not_of('\0') / 512 * 512 + 512;
  for (std::size_t size = 0; size < end; size += 512) refused(whole.substr(0, size));
  std::string zipped = gzip(whole);
  for (std::size_t size = 0; size < zipped.size(); size += 1 + zipped.size() / 40) refused(zipped.substr(0, size));
}

TEST_F(BadArchives, NoArchiveAtAll) {
  EXPECT_EQ(refused(std::string()), "E-IMAGE-INVALID");
  EXPECT_EQ(refused(std::string(10, 'x')), "E-ARCHIVE-DAMAGED");
  EXPECT_NE(hint_.find("docker save"), std::string::npos) << hint_;
  EXPECT_EQ(refused(std::string(5000, 'x')), "E-ARCHIVE-DAMAGED");
  EXPECT_EQ(refused(std::string(10240, '\0')), "E-IMAGE-INVALID");
  EXPECT_EQ(refused(gzip("hello")), "E-ARCHIVE-DAMAGED");
  make_dirs(base_ + "/empty");
  Fd folder = open_file(base_ + "/empty", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(error_of([&] { load(*store_, folder, "empty", {}, nullptr); }), "E-IMAGE-INVALID");
}

TEST_F(BadArchives, PathsAndNamesInManifests) {
  for (const std::string path : {"../../../etc/passwd", "/etc/passwd", "a/../../b", "..", ""}) {
    FileMap files = docker_of({{"bad:1", &sample_}});
    files["manifest.json"] = R"([{"Config":")" + path + R"(","RepoTags":null,"Layers":[]}])";
    refused(files);
    files["manifest.json"] = R"([{"Config":")" + oci::Digest::of(sample_.config_json()).hex() +
                             R"(.json","RepoTags":null,"Layers":[")" + path + R"("]}])";
    refused(files);
  }
  for (const std::string tag : {"../x", "UPPER", "a b", "x:y:z", ""}) {
    refused(docker_of({{tag.empty() ? " " : tag, &sample_}}));
    if (!tag.empty()) refused(layout_of({{tag + "/:", &sample_}}));
  }
}

TEST_F(BadArchives, LinksThatLeaveTheArchive) {
  for (const std::string target : {"/etc/passwd", "../../etc/passwd", "nowhere", "layer.tar"}) {
    Files list;
    for (const auto& [name, bytes] : docker_of({{"bad:1", &sample_}})) {
      bool layer = name.ends_with("/layer.tar");
      list.emplace_back(layer ? name + ">" : name, layer ? target : bytes);
    }
    EXPECT_EQ(refused(make_tar(list)), "E-IMAGE-INVALID") << target;
  }
}

TEST_F(BadArchives, IndexesInIndexes) {
  FileMap files = {{"oci-layout", "{}"}};
  sample_.add_blobs(files);
  std::string inner = index_of({sample_.descriptor()});
  for (int depth = 0; depth < 8; ++depth) {
    files[blob(inner)] = inner;
    oci::Descriptor next;
    next.media_type = oci::media_type::oci_index;
    next.digest = oci::Digest::of(inner);
    next.size = inner.size();
    inner = index_of({next});
  }
  files["index.json"] = inner;
  EXPECT_EQ(refused(files), "E-IMAGE-INVALID");
  // Wide instead of deep.
  std::vector<oci::Descriptor> many(5000, sample_.descriptor());
  files["index.json"] = index_of(many);
  EXPECT_EQ(refused(files), "E-IMAGE-INVALID");
}

TEST_F(BadArchives, MoreThanIsAllowed) {
  LoadOptions options;
  options.max_bytes = 4000;
  EXPECT_EQ(refused(layout(), options), "E-ARCHIVE-LIMIT");
  options = {};
  options.max_entries = 1;
  EXPECT_EQ(refused(layout(), options), "E-ARCHIVE-LIMIT");
  Sample tall(std::vector<std::string>(501, make_tar({{"a", "b"}})));
  EXPECT_EQ(refused(docker_of({{"tall:1", &tall}})), "E-IMAGE-INVALID");
}

TEST_F(BadArchives, ManyMembersAndDocuments) {
  Files list = {{"manifest.json", "[]"}, {"oci-layout", "{}"}};
  for (int i = 0; i < 5'000; ++i) list.emplace_back(std::string(3900, 'n') + std::to_string(i), "");
  EXPECT_EQ(refused(make_tar(list)), "E-ARCHIVE-LIMIT");
  FileMap files = docker_of({{"bad:1", &sample_}});
  std::string item = files["manifest.json"].substr(1);
  item.pop_back();
  std::string items = "[" + item;
  // The same megabytes again and again.
  std::string& config = files["big.json"] = sample_.config_json();
  config.insert(config.size() - 1, R"(,"x":")" + std::string(2U << 20U, 'x') + "\"");
  for (int i = 0; i < 200; ++i) items += R"(,{"Config":"big.json","RepoTags":null,"Layers":[]})";
  files["manifest.json"] = items + "]";
  std::string id = refused(files);
  EXPECT_TRUE(id == "E-ARCHIVE-LIMIT" || id == "E-IMAGE-INVALID") << id;
}

TEST_F(BadArchives, ErrorsOfDocumentsNameTheArchive) {
  FileMap files = layout();
  files["index.json"] = R"({"schemaVersion":2,"manifests":[{"size":-1}]})";
  EXPECT_EQ(refused(files), "E-IMAGE-INVALID");
  EXPECT_NE(message_.find("archive.tar: image index.manifests[0]"), std::string::npos) << message_;
}

TEST_F(BadArchives, LayersThatClimbOut) {
  Sample climber({make_tar({{"../escaped", "x"}})});
  EXPECT_EQ(refused(docker_of({{"bad:1", &climber}})), "E-ARCHIVE-UNSAFE");
}

TEST_F(BadArchives, WhatIsThereStaysWhenAnotherFails) {
  Sample good({make_tar({{"good", "1"}})});
  load_bytes(tar_of(docker_of({{"good:1", &good}})));
  std::string whole = tar_of(layout());
  error_of([&] { load_bytes(whole.substr(0, whole.size() / 3)); });
  EXPECT_EQ(content("good:1", "good"), "1");
  EXPECT_EQ(list_dir(paths_.blobs()).size(), 1U);
  // And the same archive, whole, then loads.
  EXPECT_EQ(load_bytes(whole).at(0).id, sample_.id());
}

}  // namespace
}  // namespace servin::image::testing
