// SPDX-License-Identifier: Apache-2.0
#include "shim/datagram_log.h"

#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "shim/log_writer.h"

namespace servin::shim {
namespace {

std::string encoded(const LogConfig& config, bool is_error, std::string_view text) {
  DatagramLog log;
  log.open(config);
  std::string to(log.bound(text.size()), '\0');
  to.resize(log.encode(to.data(), is_error, text, {.ns = 1'700'000'000'000'000'000}));
  return to;
}

TEST(DatagramLog, JournaldGetsFieldsAndAMessageOfAnyBytes) {
  LogConfig config;
  config.kind = LogConfig::Kind::journald;
  config.address = "/run/systemd/journal/socket";
  config.prefix = "CONTAINER_NAME=web\n";
  std::string text("a\nb\0c", 5);
  std::string size("\x05\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(encoded(config, false, text), "CONTAINER_NAME=web\nPRIORITY=6\nMESSAGE\n" + size + text + "\n");
  EXPECT_EQ(encoded(config, true, "").substr(0, 29), "CONTAINER_NAME=web\nPRIORITY=3");
}

TEST(DatagramLog, SyslogGetsALine) {
  LogConfig config;
  config.kind = LogConfig::Kind::syslog;
  config.address = "127.0.0.1:514";
  config.prefix = "web: ";
  std::string line = encoded(config, false, "hello");
  EXPECT_TRUE(line.starts_with("<30>Nov 1")) << line;
  EXPECT_TRUE(line.ends_with(" web: hello")) << line;
  config.facility = 16;
  EXPECT_TRUE(encoded(config, true, "x").starts_with("<131>"));
  config.address = "[::1]:514";
  EXPECT_TRUE(encoded(config, true, "x").starts_with("<131>"));
}

TEST(DatagramLog, WhatIsNoAddressIsTold) {
  LogConfig config;
  config.kind = LogConfig::Kind::syslog;
  DatagramLog log;
  config.address = "nowhere:514";
  EXPECT_THROW(log.open(config), Error);
  config.address = "/" + std::string(200, 'x');
  EXPECT_THROW(log.open(config), Error);
}

TEST(DatagramLog, APrefixFitsOrIsRefused) {
  LogConfig config;
  config.kind = LogConfig::Kind::syslog;
  config.address = "127.0.0.1:514";
  config.prefix = std::string(1024, 'x');
  LogWriter fits(config);
  fits.write(LogWriter::Stream::out, std::string(100'000, 'y'), {.ns = 1});
  config.prefix = std::string(200'000, 'x');
  EXPECT_THROW(LogWriter{config}, Error);
}

}  // namespace
}  // namespace servin::shim
