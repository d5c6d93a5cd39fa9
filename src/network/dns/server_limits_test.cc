// SPDX-License-Identifier: Apache-2.0
// The resolver between hostile, greedy and many clients; TCP.
#include <poll.h>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "network/dns/server.h"
#include "network/dns/server_fixture.h"

namespace servin::dns {
namespace {

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
  Pipe done = make_pipe();
  std::thread serving([&] {
    while (up.is_asked_before(done.read)) {
      auto got = up.next();
      up.send(got.from, answer_to(got.query));
    }
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
  done.write.reset();
  serving.join();
  EXPECT_EQ(good, count);
}

}  // namespace
}  // namespace servin::dns
