// SPDX-License-Identifier: Apache-2.0
#include "transfer/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace servin::transfer {
namespace {

using testing::HasSubstr;

EndpointConfig config() {
  EndpointConfig c;
  c.host = "r.example";
  return c;
}

Breakdown broken(CURLcode code, const std::string& text = "words", const std::string& host = "r.example") {
  Breakdown what;
  what.code = code;
  what.text = text;
  what.host = host;
  what.certificate = 1;
  return what;
}

TEST(Failure, DatesOfACertificate) {
  Breakdown what = broken(CURLE_PEER_FAILED_VERIFICATION);
  what.certificate = 10;
  EXPECT_THAT(failure_of(config(), what).message(), HasSubstr("has expired"));
  what.certificate = 9;
  EXPECT_THAT(failure_of(config(), what).message(), HasSubstr("not valid yet"));
  what.certificate = 0;
  EXPECT_THAT(failure_of(config(), what).message(), HasSubstr("another name"));
  what.certificate = 20;
  EXPECT_THAT(failure_of(config(), what).message(), HasSubstr("not trusted"));
  EXPECT_TRUE(failure_of(config(), what).is_final());
}

TEST(Failure, TheCureIsForTheRegistryThatWasNamed) {
  Breakdown what = broken(CURLE_PEER_FAILED_VERIFICATION, "words", "auth.example");
  what.certificate = 20;
  NetworkFailure failure = failure_of(config(), what);
  EXPECT_THAT(failure.message(), HasSubstr("registry r.example, which leads to auth.example,"));
  EXPECT_THAT(failure.hint(), HasSubstr("certs.d/r.example/ca.crt"));
}

TEST(Failure, WhoSpeaksTlsIsNotTriedInTheClear) {
  EXPECT_TRUE(failure_of(config(), broken(CURLE_SSL_CONNECT_ERROR, "wrong version number")).speaks_no_tls());
  for (const char* text : {"tlsv1 alert protocol version", "unsupported protocol", "sslv3 alert handshake failure"})
    EXPECT_FALSE(failure_of(config(), broken(CURLE_SSL_CONNECT_ERROR, text)).speaks_no_tls()) << text;
  Breakdown what = broken(CURLE_SSL_CONNECT_ERROR);
  what.certificate_wanted = true;
  EXPECT_FALSE(failure_of(config(), what).speaks_no_tls());
}

TEST(Failure, WhatIsNoAnswerMayBeTheRestOfAnother) {
  Breakdown what = broken(CURLE_UNSUPPORTED_PROTOCOL);
  EXPECT_TRUE(failure_of(config(), what).is_final());
  what.reused = true;
  EXPECT_FALSE(failure_of(config(), what).is_final());
}

TEST(Failure, AProxysPasswordIsInNoMessage) {
  EXPECT_EQ(proxy_name(config(), "http://me:word@proxy.example:3128"), "proxy.example:3128");
  EXPECT_EQ(proxy_name(config(), "proxy.example:3128"), "proxy.example:3128");
  for (const char* bad : {"ftp://me:word@x", "http://me:word@:x", "http://me:word@[::1", "x y"}) {
    try {
      proxy_name(config(), bad);
      FAIL() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-REGISTRY-PROXY");
      EXPECT_EQ((e.message() + e.hint()).find("word"), std::string::npos);
    }
  }
}

TEST(Failure, TheProxyIsBlamedForItsOwn) {
  Breakdown what = broken(CURLE_RECV_ERROR);
  what.proxy = "proxy.example:3128";
  what.proxy_status = 403;
  EXPECT_EQ(failure_of(config(), what).id(), "E-REGISTRY-PROXY");
  what.proxy_status = 200;
  EXPECT_EQ(failure_of(config(), what).id(), "E-REGISTRY-UNREACHABLE");
  what.code = CURLE_COULDNT_CONNECT;
  what.proxy_status = 0;
  EXPECT_EQ(failure_of(config(), what).id(), "E-REGISTRY-PROXY");
}

}  // namespace
}  // namespace servin::transfer
