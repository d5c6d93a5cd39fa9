// SPDX-License-Identifier: Apache-2.0
#include "network/dns/zone.h"

#include <stdlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "network/dns/answer.h"
#include "network/dns/zone_folder.h"
#include "os/file.h"

namespace servin::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string web_id = "1f" + std::string(62, 'a'), db_id = "2f" + std::string(62, 'b'),
                  v6_id = "3f" + std::string(62, 'c');

Names sample() {
  return {"backend",
          false,
          {"10.1.0.1", "fd00:1::1"},
          {{"10.1.0.2", "", web_id, "Web", {"www", "all"}, {}},
           {"10.1.0.3", "fd00:1::3", db_id, "db", {"all", "all", "DB"}, {"9.9.9.9"}},
           {"", "fd00:1::4", v6_id, "six", {"all"}, {}}}};
}

std::vector<std::string> names_of(const std::vector<const Endpoint*>& list) {
  std::vector<std::string> out;
  for (const auto* e : list) out.push_back(e->name);
  return out;
}

TEST(Names, FormatAndParseAreInverse) {
  Names n = parse_names(format_names(sample()));
  EXPECT_EQ(format_names(n), format_names(sample()));
  EXPECT_EQ(n.network, "backend");
  EXPECT_THAT(n.gateways, ElementsAre("10.1.0.1", "fd00:1::1"));
  ASSERT_EQ(n.endpoints.size(), 3U);
  EXPECT_EQ(n.endpoints[0].ip6, "");
  EXPECT_THAT(n.endpoints[1].dns, ElementsAre("9.9.9.9"));
  Names internal = sample();
  internal.internal = true;
  EXPECT_TRUE(parse_names(format_names(internal)).internal);
}

TEST(Names, BadLinesAndWordsAreLeftOut) {
  Names n = parse_names("# note\n\n10.1.0.2 - short\nnonsense - " + web_id + " x\n!listen nowhere\n!internal\n- - " +
                        web_id + " good  alias\n");
  ASSERT_EQ(n.endpoints.size(), 1U);
  EXPECT_EQ(n.endpoints[0].name, "good");
  EXPECT_THAT(n.gateways, IsEmpty());
  Names blank = sample();
  blank.endpoints[0].aliases = {"two words", "line\nend", "@1.2.3.4", "fine"};
  EXPECT_THAT(parse_names(format_names(blank)).endpoints[0].aliases, ElementsAre("fine"));
}

TEST(Zone, FindsNamesAliasesAndIds) {
  Zone zone(sample());
  EXPECT_THAT(names_of(zone.find("web")), ElementsAre("Web"));
  EXPECT_THAT(names_of(zone.find("www")), ElementsAre("Web"));
  EXPECT_THAT(names_of(zone.find(web_id)), ElementsAre("Web"));
  EXPECT_THAT(names_of(zone.find(web_id.substr(0, 12))), ElementsAre("Web"));
  EXPECT_THAT(names_of(zone.find("web.backend")), ElementsAre("Web"));
  EXPECT_THAT(names_of(zone.find("all")), ElementsAre("Web", "db", "six"));
  EXPECT_THAT(names_of(zone.find("db")), ElementsAre("db"));
  for (const char* none : {"", "backend", "web.frontend", "webb", ".backend", "1faaaa"})
    EXPECT_THAT(zone.find(none), IsEmpty()) << none;
  EXPECT_EQ(zone.by_address(*Address::parse("fd00:1::3"))->name, "db");
  EXPECT_EQ(zone.by_address(*Address::parse("10.1.0.9")), nullptr);
  EXPECT_TRUE(zone.has_container(db_id));
  EXPECT_FALSE(zone.has_container("db"));
  EXPECT_TRUE(zone.is_gateway(*Address::parse("10.1.0.1")));
}

std::optional<Answer> ask(const std::string& name, std::uint16_t kind, unsigned turn = 0) {
  static const Zone zone(sample());
  static const Zone* const zones[] = {&zone};
  return answer_locally({name, kind, class_in}, zones, turn);
}

std::vector<std::string> texts(const std::optional<Answer>& answer) {
  std::vector<std::string> out;
  if (!answer) return {"not ours"};
  for (const auto& r : answer->records) {
    Address a;
    a.v6 = r.type == type::aaaa;
    std::copy(r.data.begin(), r.data.end(), a.bytes.begin());
    out.push_back(a.text());
  }
  return out;
}

TEST(Answer, AddressesOfBothFamilies) {
  EXPECT_THAT(texts(ask("db", type::a)), ElementsAre("10.1.0.3"));
  EXPECT_THAT(texts(ask("db", type::aaaa)), ElementsAre("fd00:1::3"));
  EXPECT_THAT(texts(ask("db", type::any)), UnorderedElementsAre("10.1.0.3", "fd00:1::3"));
  EXPECT_TRUE(ask("db", type::a)->authoritative);
}

TEST(Answer, OtherKindsOfOurNamesAreEmptyAndStayHere) {
  EXPECT_THAT(texts(ask("web", type::aaaa)), IsEmpty());
  EXPECT_THAT(texts(ask("six", type::a)), IsEmpty());
  for (std::uint16_t kind : std::initializer_list<std::uint16_t>{2, 5, 6, 15, 16, 33, 65}) {
    EXPECT_THAT(texts(ask("web", kind)), IsEmpty()) << kind;
    EXPECT_EQ(ask("web", kind)->rcode, Rcode::ok);
  }
  EXPECT_THAT(texts(ask("example.com", type::a)), ElementsAre("not ours"));
}

TEST(Answer, SharedAliasesRotate) {
  EXPECT_THAT(texts(ask("all", type::aaaa, 0)), ElementsAre("fd00:1::3", "fd00:1::4"));
  EXPECT_THAT(texts(ask("all", type::aaaa, 1)), ElementsAre("fd00:1::4", "fd00:1::3"));
  EXPECT_THAT(texts(ask("all", type::a, 5)), ElementsAre("10.1.0.3", "10.1.0.2"));
}

TEST(Answer, ReverseAndHost) {
  auto name = ask("2.0.1.10.in-addr.arpa", type::ptr);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->records.at(0).data, encode_name("Web.backend"));
  EXPECT_TRUE(ask("2.0.1.10.in-addr.arpa", type::a)->records.empty());
  EXPECT_EQ(ask("1.0.1.10.in-addr.arpa", type::ptr)->records.at(0).data, encode_name("host.containers.internal"));
  EXPECT_FALSE(ask("9.0.1.10.in-addr.arpa", type::ptr));
  EXPECT_THAT(texts(ask("host.docker.internal", type::a)), ElementsAre("10.1.0.1"));
  EXPECT_THAT(texts(ask("host.containers.internal", type::aaaa)), ElementsAre("fd00:1::1"));
}

TEST(Answer, WhatIsNoOrdinaryQuestion) {
  Message m;
  m.question_count = 1;
  m.question = {"web", type::a, class_in};
  EXPECT_FALSE(refuse(m));
  m.opcode = 5;
  EXPECT_EQ(refuse(m), Rcode::not_implemented);
  m.opcode = 0;
  m.question_count = 2;
  EXPECT_EQ(refuse(m), Rcode::format_error);
  m.question_count = 1;
  m.question.class_ = 3;
  EXPECT_EQ(refuse(m), Rcode::refused);
}

class ZoneFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/servin-zone-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    base_ = path;
    make_dirs(base_ + "/one");
    make_dirs(base_ + "/two");
  }
  void TearDown() override { remove_tree(base_); }
  std::string base_;
};

TEST_F(ZoneFiles, NewNamesAreSeenAtOnce) {
  ZoneFolder folder(base_ + "/one");
  EXPECT_TRUE(folder.own().names().endpoints.empty());
  for (int i = 1; i < 50; ++i) {
    Names n = sample();
    n.endpoints[0].ip4 = "10.1.1." + std::to_string(i);
    write_names(base_ + "/one", n);
    EXPECT_EQ(folder.own().find("web").at(0)->ip4, n.endpoints[0].ip4);
  }
  remove_tree(base_ + "/one/names");
  EXPECT_TRUE(folder.own().names().endpoints.empty());
}

TEST_F(ZoneFiles, OtherNetworksOfAContainer) {
  ZoneFolder folder(base_ + "/one");
  write_names(base_ + "/one", sample());
  EXPECT_THAT(folder.others_of(web_id), IsEmpty());
  Names two{
      "two", false, {"10.2.0.1"}, {{"10.2.0.2", "", web_id, "Web", {}, {}}, {"10.2.0.3", "", v6_id, "far", {}, {}}}};
  write_names(base_ + "/two", two);
  ASSERT_EQ(folder.others_of(web_id).size(), 1U);
  EXPECT_EQ(folder.others_of(web_id)[0]->find("far").at(0)->ip4, "10.2.0.3");
  EXPECT_THAT(folder.others_of(db_id), IsEmpty());
  remove_tree(base_ + "/two");
  EXPECT_THAT(folder.others_of(web_id), IsEmpty());
  make_dirs(base_ + "/three");
  write_names(base_ + "/three", two);
  EXPECT_EQ(folder.others_of(web_id).size(), 1U);
}

TEST_F(ZoneFiles, ModesLetTheResolverRead) {
  write_names(base_ + "/one", sample());
  struct stat s{};
  ASSERT_EQ(::stat((base_ + "/one").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777U, 0711U);
  ASSERT_EQ(::stat((base_ + "/one/names").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777U, 0644U);
}

}  // namespace
}  // namespace servin::dns
