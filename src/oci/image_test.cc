// SPDX-License-Identifier: Apache-2.0
#include "oci/image.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "oci/docker_archive.h"
#include "oci/json_list.h"

namespace servin::oci {
namespace {

const std::string digest_a = "sha256:" + std::string(64, 'a');
const std::string digest_b = "sha256:" + std::string(64, 'b');

TEST(OciImage, ReadsAManifestOfDocker) {
  std::string json = R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
    "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":7,"digest":")" +
                     digest_a + R"("},
    "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":9,"digest":")" +
                     digest_b + R"("}]})";
  EXPECT_FALSE(is_index(json));
  Manifest manifest = parse_manifest(json);
  EXPECT_EQ(manifest.media_type, media_type::docker_manifest);
  EXPECT_EQ(manifest.config.digest.str(), digest_a);
  EXPECT_EQ(manifest.config.size, 7U);
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_EQ(manifest.layers[0].media_type, media_type::docker_layer_gzip);
  EXPECT_EQ(manifest.layers[0].digest.str(), digest_b);
}

TEST(OciImage, ReadsAnIndexWithPlatforms) {
  std::string json = R"({"schemaVersion":2,"manifests":[
    {"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
                     digest_a + R"(","size":1,"platform":{"os":"linux","architecture":"arm64","variant":"v8"},
     "annotations":{"org.opencontainers.image.ref.name":"x"}}]})";
  EXPECT_TRUE(is_index(json));
  Index index = parse_index(json);
  ASSERT_EQ(index.manifests.size(), 1U);
  EXPECT_EQ(index.manifests[0].platform->str(), "linux/arm64/v8");
  EXPECT_EQ(index.manifests[0].annotations.at("org.opencontainers.image.ref.name"), "x");
}

TEST(OciImage, ReadsAConfigWithDockersNulls) {
  ImageConfig config = parse_image_config(R"({"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z",
    "config":{"User":"","Env":["A=1","B=x=y"],"Cmd":null,"Entrypoint":["/e"],"ExposedPorts":{"80/tcp":{}},
      "Volumes":null,"Labels":{"k":"v"},"WorkingDir":"/w","StopSignal":"SIGQUIT","OnBuild":null},
    "rootfs":{"type":"layers","diff_ids":[")" +
                                          digest_a + R"("]},
    "history":[{"created_by":"x","empty_layer":true},{"created_by":"y"}],"variant":null})");
  EXPECT_EQ(config.platform.str(), "linux/amd64");
  EXPECT_EQ(config.env, (std::vector<std::string>{"A=1", "B=x=y"}));
  EXPECT_TRUE(config.cmd.empty());
  EXPECT_EQ(config.entrypoint, std::vector<std::string>{"/e"});
  EXPECT_EQ(config.exposed_ports, std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(config.labels.at("k"), "v");
  EXPECT_EQ(config.stop_signal, "SIGQUIT");
  ASSERT_EQ(config.history.size(), 2U);
  EXPECT_TRUE(config.history[0].empty_layer);
  EXPECT_EQ(config.diff_ids.at(0).str(), digest_a);
}

TEST(OciImage, WhatIsWrittenReadsBack) {
  ImageConfig config;
  config.platform = Platform::parse("linux/arm/v6");
  config.user = "1000:1000";
  config.env = {"A=1"};
  config.cmd = {"a", "b \"c\""};
  config.labels = {{"x", "\xc3\xa4"}};
  config.volumes = {"/data"};
  config.exposed_ports = {"80/tcp"};
  config.diff_ids = {Digest::parse(digest_a)};
  HistoryEntry line;
  line.created_by = "by";
  line.empty_layer = true;
  config.history = {line};
  std::string json = to_json(config);
  EXPECT_EQ(json, to_json(parse_image_config(json)));
  EXPECT_EQ(parse_image_config(json).cmd, config.cmd);
  EXPECT_EQ(parse_image_config(json).platform.str(), "linux/arm/v6");

  Manifest manifest;
  manifest.media_type = media_type::oci_manifest;
  manifest.config = {std::string(media_type::oci_config), Digest::parse(digest_a), 5, {}, {}};
  manifest.layers = {{std::string(media_type::oci_layer), Digest::parse(digest_b), 6, {}, {{"k", "v"}}}};
  EXPECT_EQ(to_json(manifest), to_json(parse_manifest(to_json(manifest))));
  Index index;
  index.media_type = media_type::oci_index;
  index.manifests = {{std::string(media_type::oci_manifest), Digest::parse(digest_a), 5, Platform::host(), {}}};
  EXPECT_EQ(to_json(index), to_json(parse_index(to_json(index))));
}

TEST(OciImage, ChainIdsFollowTheSpec) {
  Digest a = Digest::of("a"), b = Digest::of("b"), c = Digest::of("c");
  std::vector<Digest> chain = chain_ids({a, b, c});
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(chain[0], a);
  EXPECT_EQ(chain[1].hex(), sha256_hex(a.str() + " " + b.str()));
  EXPECT_EQ(chain[2].hex(), sha256_hex(chain[1].str() + " " + c.str()));
  EXPECT_TRUE(chain_ids({}).empty());
}

TEST(OciImage, ErrorsNameTheField) {
  try {
    parse_manifest(R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
                   digest_a + R"(","size":-1},"layers":[]})");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "image manifest.config.size: must be a whole number of bytes, not negative");
  }
}

TEST(OciImage, DockerArchivesManifest) {
  std::string json = R"([{"Config":"./abc.json","RepoTags":null,"Layers":["x//layer.tar"]},
    {"Config":"d.json","RepoTags":["a:1","b:2"],"Layers":null}])";
  auto items = parse_docker_archive(json);
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].config, "abc.json");
  EXPECT_EQ(items[0].layers, std::vector<std::string>{"x/layer.tar"});
  EXPECT_EQ(items[1].tags, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(to_json(items), to_json(parse_docker_archive(to_json(items))));
}

TEST(OciImage, StringLists) {
  EXPECT_EQ(parse_string_list(R"(["a","b c"])", "x"), (std::vector<std::string>{"a", "b c"}));
  EXPECT_THROW(parse_string_list("[1]", "x"), Error);
  EXPECT_THROW(parse_string_list("[\"a\"", "x"), Error);
}

TEST(OciPlatform, ParsesWhatPeopleWrite) {
  EXPECT_EQ(Platform::parse("linux/amd64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("arm64").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux/ARM/v7").str(), "linux/arm/v7");
  EXPECT_EQ(Platform::parse("x86_64").str(), "linux/amd64");
  EXPECT_EQ(Platform::parse("linux/aarch64").str(), "linux/arm64/v8");
  EXPECT_EQ(Platform::parse("linux").str(), Platform::host().str());
  EXPECT_FALSE(Platform::host().architecture.empty());
  for (const char* bad : {"", "/", "linux/", "a/b/c/d", "linux/amd64/", "toaster", "linux/a b", "linux/\x1b[1m"})
    EXPECT_THROW(Platform::parse(bad), Error) << bad;
}

TEST(OciPlatform, AcceptsWhatRuns) {
  auto accepts = [](const char* want, const char* have) {
    return Platform::parse(want).accepts(Platform::parse(have));
  };
  EXPECT_TRUE(accepts("linux/amd64", "linux/amd64"));
  EXPECT_TRUE(accepts("linux/arm64", "linux/arm64/v8"));
  EXPECT_TRUE(accepts("linux/arm64/v8", "linux/arm64"));
  EXPECT_TRUE(accepts("linux/arm/v7", "linux/arm/v6"));
  EXPECT_TRUE(accepts("linux/arm", "linux/arm/v7"));
  EXPECT_FALSE(accepts("linux/arm/v6", "linux/arm/v7"));
  EXPECT_FALSE(accepts("linux/arm64", "linux/amd64"));
  EXPECT_FALSE(accepts("linux/arm64", "linux/arm64/v9"));
  EXPECT_FALSE(accepts("linux/amd64", "windows/amd64"));
}

}  // namespace
}  // namespace servin::oci
