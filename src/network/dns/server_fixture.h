// SPDX-License-Identifier: Apache-2.0
// For tests: the whole resolver in a thread, on loopback with ports of its own, between clients and name servers of the
// test.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>
#include <poll.h>
#include <stdlib.h>
#include <string>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "network/dns/server.h"
#include "network/dns/test_kit.h"
#include "os/file.h"

namespace servin::dns {

using testing::header;
using testing::query;
using testing::question;
using testing::record;
using testing::u16;

inline constexpr int patience_ms = 20'000;  // only a failing test waits that long

inline Fd bound(const SocketAddress& at, int kind) {
  Fd fd(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
  int one = 1;
  // Not for UDP: two clients would get the same port.
  if (kind == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_storage raw;
  socklen_t size = at.fill(raw);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), size), 0) << strerror(errno);
  return fd;
}

inline SocketAddress at(const std::string& address, std::uint16_t port) { return {*Address::parse(address), port, 0}; }

inline bool readable(const Fd& fd, int ms = patience_ms) {
  pollfd p{fd.get(), POLLIN, 0};
  return ::poll(&p, 1, ms) == 1;
}

inline std::string receive(const Fd& fd) {
  if (!readable(fd)) return "nothing came";
  char buffer[max_message];
  ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

/// A name server that the test plays by hand.
class Upstream {
 public:
  Upstream(const std::string& address, std::uint16_t port) : udp_(bound(at(address, port), SOCK_DGRAM)) {}
  struct Asked {
    std::string query;
    SocketAddress from;
  };
  Asked next() {
    EXPECT_TRUE(readable(udp_)) << "the resolver did not ask";
    char buffer[max_message];
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    ssize_t n = ::recvfrom(udp_.get(), buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&raw), &size);
    return {std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))), SocketAddress::from(raw)};
  }
  void send(const SocketAddress& to, const std::string& bytes) {
    sockaddr_storage raw;
    socklen_t size = to.fill(raw);
    ::sendto(udp_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&raw), size);
  }
  bool is_quiet() { return !readable(udp_, 0); }
  /// False when `stop` is readable first.
  bool is_asked_before(const Fd& stop) {
    pollfd p[2] = {{udp_.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
    while (::poll(p, 2, -1) < 0 && errno == EINTR) {
    }
    return p[1].revents == 0;
  }

 private:
  Fd udp_;
};

inline std::string answer_to(const std::string& asked, unsigned flags = 0x8180, const std::string& data = "\1\2\3\4") {
  auto m = parse_message(asked);
  if (!m) return "";
  bool has_data = (flags & 0xfU) == 0 && !data.empty();
  return header(m->id, flags, 1, has_data ? 1 : 0) + asked.substr(header_size, m->question_end - header_size) +
         (has_data ? record(type::a, data) : "");
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/servin-dns-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    base_ = path;
    make_dirs(base_ + "/net");
    // Port 0 chooses one; the same one serves for all the loopback addresses of the test.
    Fd probe = bound(at("127.0.0.1", 0), SOCK_DGRAM);
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&raw), &size);
    upstream_port_ = SocketAddress::from(raw).port;
    config_.port = 0;
    config_.upstream = {base_ + "/resolv.conf", base_ + "/resolved.conf", upstream_port_};
    config_.forward.try_ns = 200'000'000;
    config_.forward.deadline_ns = 3'000'000'000;
    names_ = {"net", false, {"127.0.0.1"}, {{"127.0.0.2", "", "1f" + std::string(62, 'a'), "web", {"all"}, {}}}};
    write_names(base_ + "/net", names_);
    use_servers("nameserver 127.0.0.11\n");
  }
  void TearDown() override {
    if (thread_.joinable()) {
      EXPECT_EQ(::write(stop_.write.get(), "x", 1), 1);
      thread_.join();
    }
    remove_tree(base_);
  }
  void use_servers(const std::string& text) { write_file(base_ + "/resolv.conf", text); }
  void start() {
    folder_ = std::make_unique<ZoneFolder>(base_ + "/net");
    server_ = std::make_unique<Server>(loop_, *folder_, config_);
    server_->listen(*Address::parse("127.0.0.1"));
    port_ = server_->port();
    loop_.watch(stop_.read, EPOLLIN, [this](std::uint32_t) { loop_.stop(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  /// A socket of a container with this address.
  Fd client(int kind = SOCK_DGRAM, const std::string& address = "127.0.0.2") {
    Fd fd = bound(at(address, 0), kind);
    sockaddr_storage raw;
    socklen_t size = at("127.0.0.1", port_).fill(raw);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&raw), size), 0);
    return fd;
  }
  static void send(const Fd& fd, const std::string& bytes) {
    EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  std::string ask(const std::string& bytes, const std::string& from = "127.0.0.2") {
    Fd fd = client(SOCK_DGRAM, from);
    send(fd, bytes);
    return receive(fd);
  }

  std::string base_;
  std::uint16_t upstream_port_ = 0, port_ = 0;
  ServerConfig config_;
  Names names_;
  Loop loop_;
  Pipe stop_ = make_pipe();
  std::unique_ptr<ZoneFolder> folder_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

inline int rcode_of(const std::string& bytes) {
  auto m = parse_message(bytes);
  return m ? m->rcode : -1;
}

}  // namespace servin::dns
