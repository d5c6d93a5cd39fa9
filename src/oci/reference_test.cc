// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.h"
#include "oci/image.h"

namespace servin::oci {
namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

struct Good {
  std::string text, full, familiar;
};

TEST(OciReference, NormalisesAsDockerDoes) {
  const Good table[] = {
      {"alpine", "docker.io/library/alpine:latest", "alpine:latest"},
      {"alpine:3.19", "docker.io/library/alpine:3.19", "alpine:3.19"},
      {"library/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
      {"docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
      {"index.docker.io/library/alpine", "docker.io/library/alpine:latest", "alpine:latest"},
      {"user/app", "docker.io/user/app:latest", "user/app:latest"},
      {"docker.io/user/app:1", "docker.io/user/app:1", "user/app:1"},
      {"ghcr.io/a/b/c:v1.0-rc_2", "ghcr.io/a/b/c:v1.0-rc_2", "ghcr.io/a/b/c:v1.0-rc_2"},
      {"localhost/x", "localhost/x:latest", "localhost/x:latest"},
      {"localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"},
      {"127.0.0.1:5000/x", "127.0.0.1:5000/x:latest", "127.0.0.1:5000/x:latest"},
      {"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
      {"[fe80::1]/x", "[fe80::1]/x:latest", "[fe80::1]/x:latest"},
      {"Registry/x", "Registry/x:latest", "Registry/x:latest"},
      {"a__b/c-d--e.f", "docker.io/a__b/c-d--e.f:latest", "a__b/c-d--e.f:latest"},
      {"base", "localhost/servin/base:latest", "localhost/servin/base:latest"},
      {"base:latest", "localhost/servin/base:latest", "localhost/servin/base:latest"},
      {"docker.io/library/base", "docker.io/library/base:latest", "docker.io/library/base:latest"},
      {"x/base", "docker.io/x/base:latest", "x/base:latest"},
      {"alpine@" + digest, "docker.io/library/alpine@" + digest, "alpine@" + digest},
      {"alpine:1@" + digest, "docker.io/library/alpine:1@" + digest, "alpine:1@" + digest},
      {"docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"},
      {"docker.io/a.b/x", "docker.io/a.b/x:latest", "docker.io/a.b/x:latest"},
      {std::string(63, 'a'), "docker.io/library/" + std::string(63, 'a') + ":latest", std::string(63, 'a') + ":latest"},
      {"x:" + std::string(128, 't'), "docker.io/library/x:" + std::string(128, 't'), "x:" + std::string(128, 't')},
  };
  for (const Good& good : table) {
    Reference reference = Reference::parse(good.text);
    EXPECT_EQ(reference.str(), good.full) << good.text;
    EXPECT_EQ(reference.familiar(), good.familiar) << good.text;
    // Both forms mean the same again.
    EXPECT_EQ(Reference::parse(reference.str()).str(), good.full);
    EXPECT_EQ(Reference::parse(reference.familiar()).str(), good.full);
  }
}

TEST(OciReference, RefusesWhatIsNone) {
  const std::string table[] = {
      "",
      " ",
      "/",
      ":",
      "@",
      "a/",
      "/a",
      "a//b",
      "-a",
      "a-",
      ".a",
      "a.",
      "_a",
      "a_",
      "a..b",
      "a___b",
      "a._b",
      "a/.b",
      "Alpine",
      "user/App",
      "alpine:",
      "alpine:-x",
      "alpine:.x",
      "alpine:a b",
      "alpine:a/b:c/",
      "a:b:c",
      "alpine@",
      "alpine@sha256:",
      "alpine@sha256:abc",
      "alpine@md5:" + std::string(32, 'a'),
      "alpine@" + digest + "x",
      "../etc",
      "a/../b",
      "..",
      "http://x/y",
      "a b",
      "a\nb",
      "a\tb",
      std::string("a\0b", 3),
      "\xc3\xa4",
      "x\x1b[31m",
      std::string(64, 'a'),
      std::string(300, 'a'),
      "x:" + std::string(129, 't'),
      "localhost:99999/x",
      "localhost:/x",
      "localhost:5000x/y",
      "[::1/x",
      "[]/x",
      "a.-b/x",
      "host.:80/x",
      "exa$mple.com/x",
      "a@b@" + digest,
      "%61",
      "registry.io/",
  };
  for (const std::string& text : table) {
    try {
      Reference reference = Reference::parse(text);
      ADD_FAILURE() << "accepted \"" << text << "\" as " << reference.str();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::invalid_argument) << text;
      EXPECT_FALSE(e.hint().empty()) << text;
    }
  }
}

TEST(OciReference, SaysHowToWriteCapitals) {
  try {
    Reference::parse("Alpine");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.hint(), "write it as alpine");
  }
}

}  // namespace
}  // namespace servin::oci
