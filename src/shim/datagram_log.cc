// SPDX-License-Identifier: Apache-2.0
#include "shim/datagram_log.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/strings.h"

namespace servin::shim {
namespace {

constexpr int severity_error = 3, severity_info = 6;

socklen_t unix_address(const std::string& path, sockaddr_storage& to) {
  auto& a = reinterpret_cast<sockaddr_un&>(to);
  a.sun_family = AF_UNIX;
  if (path.size() >= sizeof a.sun_path) throw error(ErrorCode::invalid_argument, "{}: too long for a socket", path);
  std::memcpy(a.sun_path, path.c_str(), path.size() + 1);
  return sizeof a;
}

// 127.0.0.1:514 or [::1]:514
socklen_t internet_address(const std::string& text, sockaddr_storage& to) {
  auto colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  auto port = htons(static_cast<std::uint16_t>(parse_u64(text.substr(colon + 1)).value_or(0)));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  auto& a4 = reinterpret_cast<sockaddr_in&>(to);
  if (::inet_pton(AF_INET, host.c_str(), &a4.sin_addr) == 1) {
    a4.sin_family = AF_INET;
    a4.sin_port = port;
    return sizeof a4;
  }
  auto& a6 = reinterpret_cast<sockaddr_in6&>(to);
  if (::inet_pton(AF_INET6, host.c_str(), &a6.sin6_addr) != 1)
    throw error(ErrorCode::invalid_argument, "{}: not an address", text);
  a6.sin6_family = AF_INET6;
  a6.sin6_port = port;
  return sizeof a6;
}

// Syslog's time has no year and no zone: the host's own, as everybody's there.
std::size_t syslog_time(char* to, std::size_t size, Time time) {
  std::time_t seconds = time.ns / 1'000'000'000;
  std::tm tm{};
  ::localtime_r(&seconds, &tm);
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format_to_n(to, size, "{} {:>2} {:02}:{:02}:{:02} ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min,
                          tm.tm_sec)
      .size;
}

}  // namespace

void DatagramLog::open(const LogConfig& config) {
  config_ = &config;
  bool local = config.address.starts_with('/');
  to_size_ = local ? unix_address(config.address, to_) : internet_address(config.address, to_);
  socket_.reset(::socket(to_.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) throw_errno("make a socket for the log");
}

std::size_t DatagramLog::encode(char* to, bool is_error, std::string_view text, Time time) const {
  int severity = is_error ? severity_error : severity_info;
  char* at = to;
  auto put = [&](std::string_view bytes) {
    std::memcpy(at, bytes.data(), bytes.size());
    at += bytes.size();
  };
  if (config_->kind == LogConfig::Kind::syslog) {
    at += fmt::format_to_n(at, 16, "<{}>", config_->facility * 8 + severity).size;
    at += syslog_time(at, 64, time);
    put(config_->prefix);
    put(text);
    return static_cast<std::size_t>(at - to);
  }
  put(config_->prefix);
  at += fmt::format_to_n(at, 32, "PRIORITY={}\nMESSAGE", severity).size;
  // The form with a length takes any bytes.
  std::uint64_t size = text.size();
  put("\n");
  for (int i = 0; i < 8; ++i) *at++ = static_cast<char>(size >> (8 * i) & 0xff);
  put(text);
  put("\n");
  return static_cast<std::size_t>(at - to);
}

int DatagramLog::send(std::string_view record) const {
  for (;;) {
    ssize_t n = ::sendto(socket_.get(), record.data(), record.size(), MSG_NOSIGNAL,
                         reinterpret_cast<const sockaddr*>(&to_), to_size_);
    if (n >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace servin::shim
