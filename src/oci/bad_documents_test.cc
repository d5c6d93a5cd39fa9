// SPDX-License-Identifier: Apache-2.0
// Documents that must be refused before any of their bytes decide anything: digests, descriptors, media types, shapes,
// recursion, size, encoding.
#include <gtest/gtest.h>

#include "base/error.h"
#include "oci/docker_archive.h"
#include "oci/image.h"

namespace servin::oci {
namespace {

const std::string good_hex(64, 'a');
const std::string good_digest = "sha256:" + good_hex;
const std::string config_type = "application/vnd.oci.image.config.v1+json";
const std::string layer_type = "application/vnd.oci.image.layer.v1.tar+gzip";
const std::string manifest_type = "application/vnd.oci.image.manifest.v1+json";
const std::string index_type = "application/vnd.oci.image.index.v1+json";

std::string text(std::string_view s) { return "\"" + std::string(s) + "\""; }

std::string descriptor(const std::string& type, const std::string& digest, const std::string& size,
                       const std::string& more = "") {
  return R"({"mediaType":)" + text(type) + R"(,"digest":)" + digest + R"(,"size":)" + size + more + "}";
}
const std::string good_config = descriptor(config_type, text(good_digest), "10");
const std::string good_layer = descriptor(layer_type, text(good_digest), "10");
const std::string good_entry = descriptor(manifest_type, text(good_digest), "10");

std::string manifest(const std::string& config, const std::string& layers, const std::string& more = "") {
  return R"({"schemaVersion":2,"config":)" + config + R"(,"layers":)" + layers + more + "}";
}
std::string index(const std::string& manifests, const std::string& more = "") {
  return R"({"schemaVersion":2,"manifests":)" + manifests + more + "}";
}
std::string config(const std::string& execution, const std::string& rootfs = R"({"type":"layers","diff_ids":[]})",
                   const std::string& more = "") {
  return R"({"architecture":"amd64","os":"linux","config":)" + execution + R"(,"rootfs":)" + rootfs + more + "}";
}

/// Everything that is no digest, as the bytes of a JSON value.
std::vector<std::string> bad_digests() {
  std::string upper(64, 'A');
  return {
      R"("")",
      R"("sha256")",
      R"("sha256:")",
      text("sha256:" + std::string(63, 'a')),
      text("sha256:" + std::string(65, 'a')),
      text("sha256:" + upper),
      text("SHA256:" + good_hex),
      text("sha512:" + std::string(128, 'a')),
      text("sha256:" + good_hex + " "),
      text(" sha256:" + good_hex),
      text("sha256:" + good_hex + "\\n"),
      text("sha256:" + good_hex + "\\u0000"),
      text("sha256:../../../../etc/passwd"),
      text("sha256:" + std::string(61, 'a') + "/.."),
      text("sha256:..%2f" + std::string(59, 'a')),
      text("../" + good_hex),
      text("/etc/passwd"),
      text(good_hex),
      text("md5:d41d8cd98f00b204e9800998ecf8427e"),
      text("sha256+b64:" + good_hex),
      text("sha256:sha256:" + good_hex),
      text("sha256:" + std::string(64, 'g')),
      text("sha256:" + std::string(64, ' ')),
      text("sha256:" + std::string(10000, 'a')),
      text("sha256=" + good_hex),
      text("sha256::" + good_hex),
      "null",
      "1",
      "true",
      "[]",
      "{}",
      "[" + text(good_digest) + "]",
  };
}

std::vector<std::string> bad_sizes() {
  return {"-1",
          "-9223372036854775808",
          "1.5",
          "1e3",
          R"("10")",
          "null",
          "[]",
          "{}",
          "true",
          "9223372036854775808",
          "18446744073709551615",
          "18446744073709551616",
          "1e400"};
}

template <typename F>
void refused(F parse, const std::string& document, ErrorCode code = ErrorCode::invalid_argument) {
  try {
    parse(document);
    FAIL() << "accepted: " << document.substr(0, 300);
  } catch (const Error& e) {
    EXPECT_TRUE(e.code() == code || e.code() == ErrorCode::resource_exhausted || e.code() == ErrorCode::unsupported)
        << to_string(e.code()) << " " << e.what();
    EXPECT_FALSE(std::string(e.what()).empty());
    // Nothing of the document reaches a terminal unescaped, and no message is a book.
    EXPECT_LT(std::string(e.what()).size(), 600U);
    for (char c : std::string(e.what())) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << e.what();
  }
}
void bad_manifest(const std::string& document) { refused(parse_manifest, document); }
void bad_index(const std::string& document) { refused(parse_index, document); }
void bad_config(const std::string& document) { refused(parse_image_config, document); }

TEST(BadDocuments, TheGoodOnesPass) {
  EXPECT_NO_THROW(parse_manifest(manifest(good_config, "[" + good_layer + "]")));
  EXPECT_NO_THROW(parse_index(index("[" + good_entry + "]")));
  EXPECT_NO_THROW(parse_image_config(config("{}")));
}

TEST(BadDocuments, DigestsInEveryPlace) {
  for (const std::string& digest : bad_digests()) {
    bad_manifest(manifest(descriptor(config_type, digest, "10"), "[]"));
    bad_manifest(manifest(good_config, "[" + good_layer + "," + descriptor(layer_type, digest, "10") + "]"));
    bad_index(index("[" + descriptor(manifest_type, digest, "10") + "]"));
    bad_config(config("{}", R"({"type":"layers","diff_ids":[)" + digest + "]}"));
  }
}

TEST(BadDocuments, Sizes) {
  for (const std::string& size : bad_sizes()) {
    bad_manifest(manifest(descriptor(config_type, text(good_digest), size), "[]"));
    bad_manifest(manifest(good_config, "[" + descriptor(layer_type, text(good_digest), size) + "]"));
    bad_index(index("[" + descriptor(manifest_type, text(good_digest), size) + "]"));
  }
}

TEST(BadDocuments, MissingMembers) {
  const std::string no_digest = R"({"mediaType":")" + layer_type + R"(","size":1})";
  const std::string no_size = R"({"mediaType":")" + layer_type + R"(","digest":")" + good_digest + R"("})";
  const std::string no_type = R"({"digest":")" + good_digest + R"(","size":1})";
  for (const std::string& d : {no_digest, no_size, no_type, std::string("{}"), std::string("null"), std::string("[]"),
                               std::string("1"), std::string("\"x\"")}) {
    bad_manifest(manifest(d, "[]"));
    bad_manifest(manifest(good_config, "[" + d + "]"));
    bad_index(index("[" + d + "]"));
  }
  bad_manifest(R"({"schemaVersion":2,"layers":[]})");
  bad_manifest(R"({"schemaVersion":2,"config":)" + good_config + "}");
  bad_config(R"({"architecture":"amd64","os":"linux"})");
}

TEST(BadDocuments, ShapesThatCanBeReadTwoWays) {
  bad_manifest(manifest(good_config, "[]", R"(,"manifests":[])"));
  bad_index(index("[" + good_entry + "]", R"(,"layers":[])"));
  bad_index(index("[]", R"(,"config":)" + good_config));
  bad_manifest(index("[" + good_entry + "]"));
  bad_index(manifest(good_config, "[]"));
  refused(is_index, index("[]", R"(,"layers":[])"));
  refused(is_index, R"({"schemaVersion":2})");
}

TEST(BadDocuments, MediaTypesThatDoNotAgree) {
  bad_manifest(manifest(good_config, "[]", R"(,"mediaType":")" + index_type + "\""));
  bad_index(index("[]", R"(,"mediaType":")" + manifest_type + "\""));
  for (const char* type : {R"("")", R"("text/html")", R"("application/vnd.oci.image.manifest.v1+JSON")", "1", "[]"}) {
    bad_manifest(manifest(good_config, "[]", std::string(R"(,"mediaType":)") + type));
    bad_index(index("[]", std::string(R"(,"mediaType":)") + type));
  }
  for (const std::string& type : {std::string(""), std::string("application/vnd.oci.empty.v1+json"), layer_type,
                                  std::string("application/vnd.cncf.helm.config.v1+json")})
    bad_manifest(manifest(descriptor(type, text(good_digest), "1"), "[]"));
  for (const std::string& type : {std::string(""), config_type, std::string("application/vnd.in-toto+json"),
                                  std::string("application/vnd.oci.image.layer.v1.tar+encrypted")})
    bad_manifest(manifest(good_config, "[" + descriptor(type, text(good_digest), "1") + "]"));
}

TEST(BadDocuments, SchemaVersions) {
  for (const char* version : {"1", "3", "0", "-2", "\"2\"", "2.0", "null", "[]"}) {
    bad_manifest(std::string(R"({"schemaVersion":)") + version + R"(,"config":)" + good_config + R"(,"layers":[]})");
    bad_index(std::string(R"({"schemaVersion":)") + version + R"(,"manifests":[]})");
  }
  bad_manifest(R"({"config":)" + good_config + R"(,"layers":[]})");
  // Docker's schema 1, with and without its signatures.
  bad_manifest(R"({"schemaVersion":1,"name":"x","tag":"y","fsLayers":[],"history":[]})");
  bad_manifest(R"({"schemaVersion":1,"fsLayers":[],"signatures":[]})");
}

TEST(BadDocuments, DuplicateKeysAnywhere) {
  bad_manifest(R"({"schemaVersion":2,"schemaVersion":2,"config":)" + good_config + R"(,"layers":[]})");
  bad_manifest(manifest(good_config, "[]", R"(,"layers":[])"));
  bad_manifest(manifest(good_config, "[]", R"(,"config":)" + good_config));
  bad_manifest(manifest(descriptor(config_type, text(good_digest), "10", R"(,"size":11)"), "[]"));
  bad_manifest(manifest(
      good_config, "[" + descriptor(layer_type, text(good_digest), "1", R"(,"digest":")" + good_digest + "\"") + "]"));
  bad_index(index("[]", R"(,"annotations":{"a":"1","a":"2"})"));
  bad_manifest(manifest(good_config, "[]", R"(,"annotations":{"a":"1","\u0061":"2"})"));
  bad_config(config(R"({"User":"0","User":"1"})"));
  bad_config(config("{}", R"({"type":"layers","diff_ids":[]})", R"(,"rootfs":{"type":"layers","diff_ids":[]})"));
}

TEST(BadDocuments, DepthAndLength) {
  std::string deep = R"({"schemaVersion":2,"x":)" + std::string(10000, '[') + std::string(10000, ']') + "}";
  bad_manifest(deep);
  bad_index(deep);
  bad_config(deep);
  std::string objects = "1";
  for (int i = 0; i < 100; ++i) objects = R"({"a":)" + objects + "}";
  bad_config(config("{}", R"({"type":"layers","diff_ids":[]})", R"(,"x":)" + objects));
  bad_manifest(std::string(100'000, '['));
  bad_manifest(manifest(good_config, "[]", R"(,"x":")" + std::string(max_manifest_size, 'x') + "\""));
  bad_index(std::string(max_manifest_size + 1, ' '));
  bad_config(std::string(max_config_size + 1, ' '));
}

TEST(BadDocuments, NotJson) {
  for (const std::string& d : {std::string(),
                               std::string(" "),
                               std::string("{"),
                               std::string("}"),
                               std::string("nul"),
                               std::string("NaN"),
                               std::string("{'a':1}"),
                               std::string("{\"a\":1,}"),
                               std::string("[1,]"),
                               std::string("{} {}"),
                               std::string("{}x"),
                               std::string("// c\n{}"),
                               std::string("{\"a\":01}"),
                               std::string("{\"a\":+1}"),
                               std::string("{\"a\":\"\x01\"}"),
                               std::string("\0", 1),
                               std::string("{}\0", 3),
                               std::string("\x1f\x8b\x08"),
                               std::string("\"\\ud800\""),
                               std::string("{\"a\":\"\\x\"}")}) {
    bad_manifest(d);
    bad_index(d);
    bad_config(d);
  }
}

TEST(BadDocuments, BadUtf8) {
  for (const char* bytes :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"}) {
    bad_config(config(std::string(R"({"User":")") + bytes + "\"}"));
    bad_manifest(manifest(good_config, "[]", std::string(R"(,"x":")") + bytes + "\""));
    bad_index(index("[]", std::string(",\"") + bytes + "\":1"));
  }
}

TEST(BadDocuments, WrongTypesInConfigs) {
  for (const char* execution : {"[]",
                                "1",
                                "\"x\"",
                                R"({"User":0})",
                                R"({"User":["0"]})",
                                R"({"User":"a\u0000b"})",
                                R"({"WorkingDir":1})",
                                R"({"WorkingDir":"/\u0000"})",
                                R"({"Env":"A=1"})",
                                R"({"Env":[1]})",
                                R"({"Env":[["A=1"]]})",
                                R"({"Env":["A=\u0000"]})",
                                R"({"Env":{"A":"1"}})",
                                R"({"Cmd":"sh -c x"})",
                                R"({"Cmd":[null]})",
                                R"({"Cmd":["a","b\u0000"]})",
                                R"({"Entrypoint":{}})",
                                R"({"Entrypoint":[1]})",
                                R"({"Labels":["a"]})",
                                R"({"Labels":{"a":1}})",
                                R"({"Labels":{"a":null}})",
                                R"({"Labels":{"a\u0000":"1"}})",
                                R"({"Volumes":["/a"]})",
                                R"({"Volumes":{"/\u0000":{}}})",
                                R"({"ExposedPorts":["80"]})",
                                R"({"ExposedPorts":80})",
                                R"({"StopSignal":15})"})
    bad_config(config(execution));
  for (const char* rootfs :
       {"[]", "1", "\"layers\"", R"({"type":"other","diff_ids":[]})", R"({"type":1,"diff_ids":[]})",
        R"({"type":"layers","diff_ids":{}})", R"({"type":"layers","diff_ids":"x"})"})
    bad_config(config("{}", rootfs));
  const std::string rootfs = R"({"type":"layers","diff_ids":[]})";
  for (const char* more : {R"(,"history":{})", R"(,"history":[1])", R"(,"history":[{"empty_layer":"yes"}])",
                           R"(,"history":[{"created_by":1}])", R"(,"created":1)", R"(,"author":[])"})
    bad_config(config("{}", rootfs, more));
}

TEST(BadDocuments, WrongTypesInDescriptors) {
  for (const char* more : {R"(,"platform":"linux/amd64")", R"(,"platform":{"os":1})", R"(,"platform":{"variant":[]})",
                           R"(,"annotations":[])", R"(,"annotations":{"a":1})", R"(,"annotations":{"a":"\u0000"})",
                           R"(,"annotations":{"a":{}})"})
    bad_index(index("[" + descriptor(manifest_type, text(good_digest), "1", more) + "]"));
  for (const char* list : {"{}", "1", "\"x\"", "null", "true"}) {
    bad_index(index(list));
    bad_manifest(manifest(good_config, list));
  }
}

TEST(BadDocuments, PathsInDockerArchives) {
  auto item = [](const std::string& config_path, const std::string& layer) {
    return R"([{"Config":)" + config_path + R"(,"RepoTags":[],"Layers":[)" + layer + "]}]";
  };
  EXPECT_NO_THROW(parse_docker_archive(item(R"("a.json")", R"("a/layer.tar")")));
  for (const std::string& path :
       {std::string(R"("")"), std::string(R"("/etc/passwd")"), std::string(R"("../x")"), std::string(R"("a/../../x")"),
        std::string(R"("a/..")"), std::string(R"("..")"), std::string(R"(".")"), std::string(R"("./")"),
        std::string(R"("a\u0000b")"), text(std::string(4096, 'a')), std::string("1"), std::string("null"),
        std::string("[]"), std::string("{}")}) {
    refused(parse_docker_archive, item(path, ""));
    refused(parse_docker_archive, item(R"("a.json")", path));
  }
  for (const char* document :
       {"{}", "1", "[1]", "[[]]", R"([{"Config":"a"},{}])", R"([{"Layers":[]}])", R"([{"Config":"a","RepoTags":"x"}])",
        R"([{"Config":"a","Layers":{}}])", R"([{"Config":"a","Config":"b"}])"})
    refused(parse_docker_archive, document);
}

}  // namespace
}  // namespace servin::oci
