// SPDX-License-Identifier: Apache-2.0
// What the resolver answers itself, and how it asks others.
#include "network/dns/server.h"

#include <set>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "network/dns/server_fixture.h"

namespace servin::dns {
namespace {

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

}  // namespace
}  // namespace servin::dns
