// SPDX-License-Identifier: Apache-2.0
#include "oci/referrer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace servin::oci {
namespace {

const std::string hex(64, 'a'), config_hex(64, 'b');

std::string good(const std::string& more = "") {
  return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
         R"("config":{"mediaType":"application/x","digest":"sha256:)" +
         config_hex + R"(","size":2},"layers":[],"subject":{"mediaType":"m","digest":"sha256:)" + hex +
         R"(","size":1})" + more + "}";
}

TEST(Referrer, AnyKindOfArtifact) {
  Artifact parsed = parse_artifact(good());
  EXPECT_EQ(parsed.subject.hex(), hex);
  ASSERT_EQ(parsed.blobs.size(), 1U);
  EXPECT_EQ(parsed.blobs[0].digest.hex(), config_hex);
  EXPECT_EQ(referrers_tag(parsed.subject), "sha256-" + hex);
  for (const char* bad : {"{}", "[]", "", R"({"manifests":[]})", R"({"config":{"digest":"sha256:../../x"}})"})
    EXPECT_THROW(parse_artifact(bad), Error) << bad;
}

TEST(Referrer, TheListGrowsAndKeepsWhatItHas) {
  std::string first = with_referrer("", good());
  EXPECT_THAT(first, testing::HasSubstr(R"("artifactType":"application/x")"));
  EXPECT_EQ(with_referrer(first, good()), first);
  std::string second = with_referrer(first, good(R"(,"artifactType":"t/y","annotations":{"k":"v"})"));
  EXPECT_EQ(parse_index(second).manifests.size(), 2U);
  EXPECT_THAT(second,
              testing::AllOf(testing::HasSubstr(R"("artifactType":"t/y")"), testing::HasSubstr(R"({"k":"v"})")));
  EXPECT_THROW(with_referrer("{}", good()), Error);
  EXPECT_THROW(with_referrer(good(), good()), Error);
}

}  // namespace
}  // namespace servin::oci
