// SPDX-License-Identifier: Apache-2.0
#include "network/dns/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/dns/test_kit.h"

namespace servin::dns {
namespace {

using testing::header;
using testing::query;
using testing::query_with_edns;
using testing::question;
using testing::record;
using testing::u16;
using namespace std::string_literals;

TEST(Message, ReadsAQuery) {
  auto m = parse_message(query("Web.Example", type::aaaa));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->id, 0x1234);
  EXPECT_FALSE(m->response);
  EXPECT_TRUE(m->recursion_desired);
  EXPECT_EQ(m->question, (Question{"web.example", type::aaaa, class_in}));
  EXPECT_FALSE(m->edns);
  EXPECT_EQ(m->end, query("Web.Example").size());
}

TEST(Message, OddBytesInLabelsStayApart) {
  auto m = parse_message(header(1, 0, 1) + "\3a.b\1c\0"s + u16(1) + u16(1));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->question.name, "a\\046b.c");  // no name of three labels
  auto root = parse_message(header(1, 0, 1) + "\0"s + u16(2) + u16(1));
  ASSERT_TRUE(root);
  EXPECT_EQ(root->question.name, "");
}

TEST(Message, ReadsEdns) {
  auto bytes = query_with_edns("a", type::a, 4096);
  auto m = parse_message(bytes);
  ASSERT_TRUE(m && m->edns);
  EXPECT_EQ(m->edns->udp_size, 4096);
  EXPECT_EQ(udp_limit(*m), our_udp_size);
  EXPECT_EQ(udp_limit(*parse_message(query_with_edns("a", type::a, 1))), plain_udp_size);
  EXPECT_EQ(udp_limit(*parse_message(query("a"))), plain_udp_size);
  auto two = header(1, 0x0100, 1, 0, 0, 2) + bytes.substr(header_size);
  EXPECT_FALSE(parse_message(two + bytes.substr(bytes.size() - 11)));
}

TEST(Message, EveryCutOfAMessageIsRefused) {
  std::string whole = query_with_edns("web.example", type::a, 1232);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(parse_message(whole.substr(0, size))) << size;
  EXPECT_TRUE(parse_message(whole + "rest"));
  EXPECT_EQ(parse_message(whole + "rest")->end, whole.size());
}

TEST(Message, PointersLeadBackwardsOnly) {
  // The second name is a pointer to the first.
  std::string good = header(1, 0x8000, 1, 1) + question("web") + record(type::a, "\1\2\3\4");
  auto m = parse_message(good);
  ASSERT_TRUE(m);
  ASSERT_EQ(m->answers.size(), 1U);
  EXPECT_EQ(m->answers[0].data, "\1\2\3\4");
  // To itself, forwards, into the header, and one to another that leads back to the first.
  for (const std::string& name :
       {u16(0xc00c), u16(0xc020), u16(0xc002), u16(0xc00e) + u16(0xc00c), "\1a"s + u16(0xc00c)})
    EXPECT_FALSE(parse_message(header(1, 0, 1) + name + u16(1) + u16(1) + std::string(64, '\0')));
}

TEST(Message, ChainsOfPointersAreBounded) {
  // A record whose data is a chain of pointers, and one whose name enters the chain at link `jumps`.
  auto with = [](unsigned jumps) {
    std::string out = header(1, 0x8000, 1, 2) + question("a");
    std::size_t data = out.size() + 11;
    std::string list = u16(0xc00c);
    for (unsigned i = 0; i < 200; ++i) list += u16(0xc000 | static_cast<unsigned>(data + i * 2));
    out += "\0"s + u16(1) + u16(1) + u16(0) + u16(0) + u16(static_cast<unsigned>(list.size())) + list;
    return out + u16(0xc000 | static_cast<unsigned>(data + jumps * 2)) + u16(1) + u16(1) + u16(0) + u16(0) + u16(0);
  };
  EXPECT_TRUE(parse_message(with(10)));
  EXPECT_FALSE(parse_message(with(150)));
}

TEST(Message, NamesHaveLimits) {
  std::string label(63, 'x');
  std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
  ASSERT_TRUE(encode_name(longest));
  EXPECT_EQ(encode_name(longest)->size(), 255U);
  EXPECT_FALSE(encode_name(longest + "y"));
  EXPECT_FALSE(encode_name(label + "x"));
  EXPECT_FALSE(encode_name("a..b"));
  EXPECT_EQ(encode_name("a.b."), encode_name("a.b"));
  EXPECT_TRUE(parse_message(header(1, 0, 1) + *encode_name(longest) + u16(1) + u16(1)));
  std::string too_long = *encode_name(longest);
  too_long.back() = '\1';
  EXPECT_FALSE(parse_message(header(1, 0, 1) + too_long + "z\0"s + u16(1) + u16(1)));
}

TEST(Message, ReverseNames) {
  EXPECT_EQ(reverse_address("4.3.2.10.in-addr.arpa"), "10.2.3.4");
  EXPECT_EQ(reverse_address("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"), "2001:db8::1");
  for (const char* none : {"web", "in-addr.arpa", "1.2.3.in-addr.arpa", "x.2.3.4.in-addr.arpa", "1.ip6.arpa",
                           "4.3.2.1.5.in-addr.arpa", "300.3.2.1.in-addr.arpa"})
    EXPECT_FALSE(reverse_address(none)) << none;
}

TEST(Message, WritesAnswers) {
  std::string asked = query("WEB");
  std::string out =
      write_answer(asked, *parse_message(asked), {Rcode::ok, true, {{type::a, "\1\2\3\4"}}}, plain_udp_size);
  EXPECT_EQ(out, header(0x1234, 0x8580, 1, 1) + question("WEB") + u16(0xc00c) + u16(1) + u16(1) + u16(0) + u16(0) +
                     u16(4) + "\1\2\3\4");
  std::string none = write_answer(asked, *parse_message(asked), {Rcode::no_such_name, false, {}}, plain_udp_size);
  EXPECT_EQ(none, header(0x1234, 0x8183, 1) + question("WEB"));
  std::string edns = query_with_edns("WEB", type::a, 4096);
  auto m = parse_message(write_answer(edns, *parse_message(edns), {}, our_udp_size));
  ASSERT_TRUE(m && m->edns);
}

TEST(Message, WhatDoesNotFitIsCut) {
  std::string asked = query("web");
  Answer many{Rcode::ok, true, {}};
  for (int i = 0; i < 100; ++i) many.records.push_back({type::a, "\1\2\3" + std::string(1, static_cast<char>(i))});
  std::string out = write_answer(asked, *parse_message(asked), many, plain_udp_size);
  EXPECT_LE(out.size(), plain_udp_size);
  auto m = parse_message(out);
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->truncated);
  EXPECT_EQ(m->answers.size(), 30U);
  auto whole = write_answer(asked, *parse_message(asked), many, max_message);
  EXPECT_EQ(parse_message(whole)->answers.size(), 100U);
  std::string cut = cut_answer(whole, *parse_message(whole));
  EXPECT_EQ(cut, header(0x1234, 0x8780, 1) + question("web"));
}

TEST(Message, OnlyQueriesAreAnswered) {
  EXPECT_EQ(query_id(query("web")), 0x1234);
  EXPECT_EQ(query_id(header(7, 0, 0)), 7);
  EXPECT_FALSE(query_id(header(7, 0x8000, 0)));
  EXPECT_FALSE(query_id("short"));
  EXPECT_EQ(write_failure(7, Rcode::format_error), header(7, 0x8081, 0));
}

TEST(Frames, AreReadInAnyPieces) {
  std::string first = query("a"), second = query("b");
  std::string stream = framed(first) + framed(second);
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameReader reader(max_query);
    std::vector<std::string> found;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.feed(std::string_view(stream).substr(at, step));
      while (auto message = reader.next()) found.push_back(*message);
    }
    EXPECT_THAT(found, ::testing::ElementsAre(first, second)) << step;
    EXPECT_TRUE(reader.empty());
  }
}

TEST(Frames, LongOrTinyOnesAreDamage) {
  FrameReader reader(max_query);
  reader.feed(u16(max_query + 1));
  EXPECT_TRUE(reader.damaged());
  FrameReader tiny(max_query);
  tiny.feed(u16(3) + "abc");
  EXPECT_TRUE(tiny.damaged());
  EXPECT_FALSE(tiny.next());
}

}  // namespace
}  // namespace servin::dns
