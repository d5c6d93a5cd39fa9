// SPDX-License-Identifier: Apache-2.0
// The whole resolver in a thread, on loopback with ports of its own, between clients and name servers of the test.
#include "network/dns/server.h"

#include <atomic>
#include <mutex>
#include <poll.h>
#include <set>
#include <stdlib.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "network/dns/test_kit.h"
#include "os/file.h"

namespace servin::dns {
namespace {

using testing::header;
using testing::query;
using testing::question;
using testing::record;
using testing::u16;

constexpr int patience_ms = 20'000;  // only a failing test waits that long

Fd bound(const SocketAddress& at, int kind) {
  Fd fd(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
  int one = 1;
  // Not for UDP: two clients would get the same port.
  if (kind == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_storage raw;
  socklen_t size = at.fill(raw);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&raw), size), 0) << strerror(errno);
  return fd;
}

SocketAddress at(const std::string& address, std::uint16_t port) { return {*Address::parse(address), port, 0}; }

bool readable(const Fd& fd, int ms = patience_ms) {
  pollfd p{fd.get(), POLLIN, 0};
  return ::poll(&p, 1, ms) == 1;
}

std::string receive(const Fd& fd) {
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

 private:
  Fd udp_;
};

std::string answer_to(const std::string& asked, unsigned flags = 0x8180, const std::string& data = "\1\2\3\4") {
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

int rcode_of(const std::string& bytes) {
  auto m = parse_message(bytes);
  return m ? m->rcode : -1;
}

TEST_F(ServerTest, AnswersForItsContainers) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  auto m = parse_message(ask(query("WEB")));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->answers.size(), 1U);
  EXPECT_EQ(parse_message(ask(query("web", type::aaaa)))->answers.size(), 0U);
  names_.endpoints.push_back({"127.0.0.3", "", "2f" + std::string(62, 'b'), "late", {"all"}, {}});
  write_names(base_ + "/net", names_);
  EXPECT_EQ(parse_message(ask(query("late")))->answers.size(), 1U);
  EXPECT_EQ(parse_message(ask(query("all")))->answers.size(), 2U);
  EXPECT_TRUE(up.is_quiet());  // nothing of this left the network
}

TEST_F(ServerTest, StrangersAreRefused) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  EXPECT_EQ(rcode_of(ask(query("web"), "127.0.0.9")), 5);
  EXPECT_EQ(rcode_of(ask(query("example.com"), "127.0.0.9")), 5);
  EXPECT_EQ(rcode_of(ask(query("web"), "127.0.0.1")), 0);  // the machine itself
  EXPECT_TRUE(up.is_quiet());
}

TEST_F(ServerTest, ForwardsWithAnotherIdAndPort) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  std::set<std::uint16_t> ids, ports;
  for (unsigned i = 0; i < 16; ++i) {
    Fd fd = client();
    std::string asked = testing::query_with_edns("example.com", type::a, 4096);
    send(fd, asked);
    auto got = up.next();
    EXPECT_EQ(got.query.substr(2), asked.substr(2));  // EDNS passes through
    ids.insert(parse_message(got.query)->id);
    ports.insert(got.from.port);
    std::string answer = answer_to(got.query);
    up.send(got.from, answer);
    set_id(answer, 0x1234);
    EXPECT_EQ(receive(fd), answer);
  }
  EXPECT_GT(ids.size(), 12U);
  EXPECT_GT(ports.size(), 4U);
}

TEST_F(ServerTest, ForgedAnswersAreIgnored) {
  Upstream up("127.0.0.11", upstream_port_), stranger("127.0.0.12", upstream_port_);
  start();
  Fd fd = client();
  send(fd, query("example.com"));
  auto got = up.next();
  std::string good = answer_to(got.query), wrong_id = good, other_name = answer_to(query("evil.com"));
  set_id(wrong_id, static_cast<std::uint16_t>(parse_message(good)->id + 1));
  set_id(other_name, parse_message(good)->id);
  stranger.send(got.from, answer_to(got.query, 0x8180, "\6\6\6\6"));
  up.send(got.from, wrong_id);
  up.send(got.from, other_name);
  up.send(got.from, got.query);  // no answer at all
  up.send(got.from, "rubbish");
  up.send(got.from, good);
  set_id(good, 0x1234);
  EXPECT_EQ(receive(fd), good);
}

TEST_F(ServerTest, TheNextServerIsAskedWhenOneIsSilentOrFails) {
  use_servers("nameserver 127.0.0.11\nnameserver 127.0.0.12\n");
  Upstream silent("127.0.0.11", upstream_port_), good("127.0.0.12", upstream_port_);
  start();
  Fd fd = client();
  send(fd, query("example.com"));
  silent.next();
  auto got = good.next();
  good.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
  // The silent one is not asked first any more.
  send(fd, query("example.org"));
  got = good.next();
  EXPECT_TRUE(silent.is_quiet());
  good.send(got.from, answer_to(got.query, 0x8182));  // SERVFAIL: the other may know
  got = silent.next();
  silent.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
}

TEST_F(ServerTest, ALateAnswerIsStillTaken) {
  use_servers("nameserver 127.0.0.11\nnameserver 127.0.0.12\n");
  Upstream slow("127.0.0.11", upstream_port_), silent("127.0.0.12", upstream_port_);
  start();
  Fd fd = client();
  send(fd, query("example.com"));
  auto got = slow.next();
  silent.next();
  slow.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
}

TEST_F(ServerTest, DeadServersEndInAnAnswer) {
  config_.forward.deadline_ns = 500'000'000;
  start();  // nobody listens on 127.0.0.11
  EXPECT_EQ(rcode_of(ask(query("example.com"))), 2);
  use_servers("nameserver 127.0.0.12\n");
  Upstream silent("127.0.0.12", upstream_port_);
  EXPECT_EQ(rcode_of(ask(query("example.com"))), 2);
}

TEST_F(ServerTest, AnswersOfAllKindsPass) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  for (unsigned flags : {0x8183U, 0x8181U, 0x8184U, 0x8182U, 0x8185U}) {
    Fd fd = client();
    send(fd, query("example.com"));
    auto got = up.next();
    up.send(got.from, answer_to(got.query, flags));
    EXPECT_EQ(rcode_of(receive(fd)), static_cast<int>(flags & 0xfU));
  }
}

TEST_F(ServerTest, FollowsResolvConf) {
  Upstream before("127.0.0.11", upstream_port_), after("127.0.0.12", upstream_port_);
  start();
  auto serve = [&](Upstream& up) {
    Fd fd = client();
    send(fd, query("example.com"));
    auto got = up.next();
    up.send(got.from, answer_to(got.query));
    EXPECT_EQ(rcode_of(receive(fd)), 0);
  };
  serve(before);
  use_servers("nameserver 127.0.0.12\n");
  serve(after);
  // A link on the way is swapped.
  write_file(base_ + "/home.conf", "nameserver 127.0.0.11\n");
  write_file(base_ + "/vpn.conf", "nameserver 127.0.0.12\n");
  for (int i = 0; i < 4; ++i) {
    std::string link = base_ + "/link";
    ASSERT_EQ(::symlink(i % 2 == 0 ? "home.conf" : "vpn.conf", link.c_str()), 0);
    rename_path(link, base_ + "/resolv.conf");
    serve(i % 2 == 0 ? before : after);
  }
  // Missing for a moment.
  remove_tree(base_ + "/resolv.conf");
  serve(after);
  EXPECT_TRUE(before.is_quiet());
}

TEST_F(ServerTest, BehindResolvedsStubStandsItsOwnFile) {
  use_servers("nameserver 127.0.0.53\n");
  write_file(base_ + "/resolved.conf", "nameserver 127.0.0.12\n");
  Upstream real("127.0.0.12", upstream_port_);
  start();
  Fd fd = client();
  send(fd, query("example.com"));
  auto got = real.next();  // nobody listens on the stub
  real.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
}

TEST_F(ServerTest, AnInternalNetworkAsksNobody) {
  names_.internal = true;
  write_names(base_ + "/net", names_);
  Upstream up("127.0.0.11", upstream_port_);
  start();
  EXPECT_EQ(rcode_of(ask(query("web"))), 0);
  EXPECT_EQ(rcode_of(ask(query("example.com"))), 5);
  EXPECT_TRUE(up.is_quiet());
  // In another network too, which has a way out and other names.
  make_dirs(base_ + "/two");
  write_names(base_ + "/two", {"two",
                               false,
                               {},
                               {{"10.2.0.2", "", names_.endpoints[0].id, "web", {}, {}},
                                {"10.2.0.3", "", "2f" + std::string(62, 'b'), "far", {}, {}}}});
  EXPECT_EQ(parse_message(ask(query("far")))->answers.size(), 1U);
  Fd fd = client();
  send(fd, query("example.com"));
  auto got = up.next();
  up.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
}

TEST_F(ServerTest, HostilePacketsAreAnsweredOrDropped) {
  start();
  Fd fd = client();
  for (std::size_t size = 1; size < 80; ++size) send(fd, std::string(size, '\xff'));
  for (std::size_t size = 1; size < query("web").size(); ++size) send(fd, query("web").substr(0, size));
  send(fd, header(7, 0x0100, 1) + u16(0xc00c) + u16(1) + u16(1));
  send(fd, std::string(max_query + 100, 'x'));
  send(fd, header(9, 0x2900, 0));  // an update
  send(fd, query("web", type::a, 0x4242));
  std::string last;
  while (last.substr(0, 2) != u16(0x4242)) {
    last = receive(fd);
    ASSERT_NE(last, "nothing came");
  }
  EXPECT_EQ(parse_message(last)->answers.size(), 1U);
}

TEST_F(ServerTest, ARepeatedQuestionIsAskedOnce) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  Fd fd = client();
  for (int i = 0; i < 5; ++i) send(fd, query("example.com"));
  auto got = up.next();
  send(fd, query("web", type::a, 7));
  EXPECT_EQ(receive(fd).substr(0, 2), u16(7));  // all five have been read
  EXPECT_TRUE(up.is_quiet());
  up.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(fd)), 0);
}

TEST_F(ServerTest, TooManyQuestionsFailAtOnce) {
  config_.forward.per_client = 8;
  config_.forward.try_ns = config_.forward.deadline_ns = 60'000'000'000;
  names_.endpoints.push_back({"127.0.0.3", "", "2f" + std::string(62, 'b'), "db", {}, {}});
  write_names(base_ + "/net", names_);
  Upstream up("127.0.0.11", upstream_port_);
  start();
  Fd fd = client(), other = client(SOCK_DGRAM, "127.0.0.3");
  for (unsigned i = 0; i < 9; ++i) send(fd, query("example.com", type::a, i));
  EXPECT_EQ(receive(fd).substr(0, 4), u16(8) + u16(0x8182));
  send(other, query("example.com"));
  for (int i = 0; i < 8; ++i) up.next();
  auto got = up.next();  // another container is not shut out
  up.send(got.from, answer_to(got.query));
  EXPECT_EQ(rcode_of(receive(other)), 0);
}

std::string receive_frame(const Fd& fd) {
  FrameReader reader(max_message);
  for (;;) {
    if (auto message = reader.next()) return *message;
    std::string part = receive(fd);
    if (part.empty() || part == "nothing came") return part;
    reader.feed(part);
  }
}

TEST_F(ServerTest, LongAnswersComeByTcp) {
  Upstream up("127.0.0.11", upstream_port_);
  Fd listener = bound(at("127.0.0.11", upstream_port_), SOCK_STREAM);
  ASSERT_EQ(::listen(listener.get(), 5), 0);
  start();
  Fd udp = client();
  send(udp, query("example.com"));
  auto got = up.next();
  up.send(got.from, answer_to(got.query, 0x8380, ""));
  EXPECT_TRUE(parse_message(receive(udp))->truncated);
  Fd tcp = client(SOCK_STREAM);
  send(tcp, framed(query("example.com")) + framed(query("web", type::a, 77)));
  EXPECT_EQ(receive_frame(tcp).substr(0, 2), u16(77));  // does not wait for the first
  got = up.next();
  up.send(got.from, answer_to(got.query, 0x8380, ""));
  ASSERT_TRUE(readable(listener));
  Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  std::string answer = answer_to(receive_frame(accepted), 0x8180, std::string(3000, 'z'));
  send(accepted, framed(answer).substr(0, 100));
  send(accepted, framed(answer).substr(100));
  set_id(answer, 0x1234);
  EXPECT_EQ(receive_frame(tcp), answer);
}

TEST_F(ServerTest, TcpConnectionsAreBounded) {
  config_.tcp.per_client = 4;
  start();
  std::vector<Fd> open;
  for (int i = 0; i < 4; ++i) {
    open.push_back(client(SOCK_STREAM));
    send(open.back(), framed(query("web")));
    EXPECT_EQ(rcode_of(receive_frame(open.back())), 0);
  }
  Fd fifth = client(SOCK_STREAM);
  EXPECT_EQ(receive(fifth), "");  // closed
  open.pop_back();
  open.pop_back();
  open.pop_back();
  // There is room again as soon as the resolver has seen that they are gone.
  Fd again;
  for (int code = -1; code != 0;) {
    again = client(SOCK_STREAM);
    std::string asked = framed(query("web"));
    ::send(again.get(), asked.data(), asked.size(), MSG_NOSIGNAL);
    code = rcode_of(receive_frame(again));
    ASSERT_TRUE(code == 0 || code == -1);
  }
  send(again, u16(5) + "short");
  EXPECT_EQ(receive(again), "");
}

TEST_F(ServerTest, IdleConnectionsEnd) {
  config_.tcp.idle_ns = 100'000'000;
  start();
  Fd tcp = client(SOCK_STREAM);
  EXPECT_EQ(receive(tcp), "");
}

TEST_F(ServerTest, AClientThatDoesNotReadIsNotKeptInMemory) {
  config_.tcp.unsent = 4096;
  start();
  Fd tcp = client(SOCK_STREAM);
  int small = 65536;
  ::setsockopt(tcp.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  std::string batch;
  for (int i = 0; i < 200; ++i) batch += framed(query("web"));
  // Until neither side takes anything more; then read, and all answers come.
  std::size_t sent = 0, batches = 0;
  while (batches < 4000) {
    ssize_t n = ::send(tcp.get(), batch.data() + sent, batch.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      pollfd p{tcp.get(), POLLOUT, 0};
      if (::poll(&p, 1, 200) == 0) break;
      continue;
    }
    sent += static_cast<std::size_t>(n);
    if (sent == batch.size()) sent = 0, ++batches;
  }
  EXPECT_LT(batches, 4000U) << "the resolver takes questions without end";
  std::size_t answers = 0;
  for (; answers < batches * 200; ++answers) {
    FrameReader reader(max_message);
    char length[2];
    if (::recv(tcp.get(), length, 2, MSG_WAITALL) != 2) break;
    std::size_t size =
        static_cast<std::size_t>(static_cast<unsigned char>(length[0])) << 8U | static_cast<unsigned char>(length[1]);
    std::string body(size, '\0');
    if (::recv(tcp.get(), body.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) break;
  }
  EXPECT_EQ(answers, batches * 200);
}

TEST_F(ServerTest, AThousandQuestionsAtOnce) {
  Upstream up("127.0.0.11", upstream_port_);
  start();
  std::vector<Fd> clients;
  constexpr unsigned count = 500;  // twice: ours and forwarded
  std::atomic<bool> done = false;
  std::thread serving([&] {
    while (!done)
      if (up.is_quiet())
        ::usleep(1000);
      else if (auto got = up.next(); true)
        up.send(got.from, answer_to(got.query));
  });
  for (unsigned i = 0; i < count; ++i) {
    clients.push_back(client());
    send(clients.back(), query("x" + std::to_string(i) + ".example", type::a, i));
    send(clients.back(), query("web", type::a, 0x8000 | i));
  }
  unsigned good = 0;
  for (unsigned i = 0; i < count; ++i) {
    std::set<std::string> ids;
    for (int k = 0; k < 2; ++k) {
      std::string bytes = receive(clients[i]);
      auto m = parse_message(bytes);
      if (m && m->answers.size() == 1) ids.insert(bytes.substr(0, 2));
    }
    if (ids == std::set<std::string>{u16(i), u16(0x8000 | i)}) ++good;
  }
  done = true;
  serving.join();
  EXPECT_EQ(good, count);
}

}  // namespace
}  // namespace servin::dns
