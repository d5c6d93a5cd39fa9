// SPDX-License-Identifier: Apache-2.0
// For tests: archives that try to leave the folder they are unpacked into, or that lie about themselves.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "archive/testing/tar_builder.h"
#include "base/error.h"

namespace servin::archive::testing {

enum class Expect { refused, inside, either };

struct Attack {
  std::string name;
  std::string tar;
  Expect expect;
};

/// Folders of the test: `canary` is the tree to harm, in `base`, beside the folder that attacks are unpacked into.
struct Target {
  std::string base;
  std::string canary;
};

constexpr char all_types[] = {'0', '5', '2', '1', '6'};

inline Member member(std::string name, char type, std::string link = "/target") {
  bool has_link = type == '1' || type == '2';
  return {.name = std::move(name),
          .link = has_link ? std::move(link) : "",
          .type = type,
          .content = type == '0' ? "attack" : ""};
}

inline void add_climbing_names(std::vector<Attack>& out, const Target& target_tree) {
  const std::string names[] = {"../attack",
                               "a/../../attack",
                               "/../attack",
                               "..",
                               "./..",
                               "../",
                               "a/../..",
                               "./../attack",
                               "//../attack",
                               "a/b/../../../attack",
                               "../layer/attack",
                               "../canary/file",
                               "/../canary/dir",
                               "../.wh.canary",
                               "../.wh..wh..opq",
                               ".." + target_tree.canary + "/file"};
  for (const auto& name : names) {
    for (char type : all_types) {
      out.push_back({"climb " + name + " " + type, TarBuilder().add(member(name, type)).end(), Expect::refused});
    }
  }
  for (char type : all_types) {
    auto pax = member("harmless", type);
    pax.pax = {{"path", "../canary/file"}};
    out.push_back({std::string("climb by PAX ") + type, TarBuilder().add(pax).end(), Expect::refused});
    out.push_back({std::string("climb by GNU long name ") + type,
                   TarBuilder().gnu_long('L', "../canary/file").add(member("harmless", type)).end(), Expect::refused});
    auto prefix = member("../canary/file", type);
    prefix.prefix = "a";
    prefix.name = "../../canary/file";
    out.push_back({std::string("climb by prefix ") + type, TarBuilder().add(prefix).end(), Expect::refused});
    out.push_back({std::string("absolute ") + type,
                   TarBuilder().add(member(target_tree.canary + "/new", type, "/x")).end(), Expect::either});
  }
}

// What is done through "l", a link that leads out.
inline TarBuilder& through_link(TarBuilder& tar, int action) {
  switch (action) {
    case 0:
      return tar.file("l/attack");
    case 1:
      return tar.file("l/file", "overwritten", 0777);
    case 2:
      return tar.dir("l/attack/deep");
    case 3:
      return tar.dir("l/dir", 0777);
    case 4:
      return tar.file("l/.wh.file", "");
    case 5:
      return tar.file("l/.wh..wh..opq", "");
    case 6:
      return tar.hard_link("stolen", "l/file");
    case 7:
      return tar.file("mine").hard_link("l/attack", "mine");
    case 8:
      return tar.dir("l", 0777).file("l/attack");
    case 9:
      return tar.symlink("l/link", "/etc/shadow");
    case 10:
      return tar.add({.name = "l/attack", .type = '6'});
    case 11:
      return tar.add({.name = "l/dir", .type = '0', .content = "instead of the folder"});
    case 12:
      return tar.file("l", "over the link itself").file("l2/attack");
    case 13:
      return tar.add({.name = "l/file", .content = "x", .pax = {{"SCHILY.xattr.user.attack", "1"}}});
    case 14:
      return tar.add({.name = "l", .type = '5', .mode = 04777, .uid = 1234, .gid = 1234});
    default:
      return tar.hard_link("h", "l").file("h/attack").add({.name = "h", .content = "through the second name"});
  }
}
constexpr int actions = 16;

inline void add_links_out(std::vector<Attack>& out, const Target& target_tree) {
  const std::string targets[] = {target_tree.canary,
                                 "../canary",
                                 "../../../../../../../../../../../.." + target_tree.canary,
                                 "/proc/self/root" + target_tree.canary,
                                 "/proc/self/cwd/" + target_tree.canary,
                                 "a/../../canary",
                                 "./.././canary/.",
                                 target_tree.canary + "/link/../dir"};
  for (const auto& target : targets) {
    for (int action = 0; action < actions; ++action) {
      TarBuilder tar;
      tar.symlink("l", target);
      out.push_back(
          {fmt::format("link to {}, action {}", target, action), through_link(tar, action).end(), Expect::either});
    }
  }
}

inline void add_link_chains(std::vector<Attack>& out, const Target& target_tree) {
  const std::string& canary = target_tree.canary;
  auto add = [&](std::string name, TarBuilder& tar, Expect expect = Expect::either) {
    out.push_back({std::move(name), tar.end(), expect});
  };
  for (int action = 0; action < actions; ++action) {
    add(fmt::format("two hops, action {}", action),
        through_link(TarBuilder().dir("d").symlink("d/up", "..").symlink("m", "d/up/../../canary").symlink("l", "m"),
                     action));
    add(fmt::format("hard link to a link, action {}", action),
        through_link(TarBuilder().symlink("first", canary).hard_link("l", "first"), action));
    add(fmt::format("link replaced late, action {}", action),
        through_link(TarBuilder().dir("l").file("l/before").symlink("l", canary), action));
  }
  add("link to a file, then the file", TarBuilder().symlink("f", canary + "/file").file("f", "overwritten"));
  add("hard link to a link, then the file",
      TarBuilder().symlink("f", canary + "/file").hard_link("g", "f").file("g", "overwritten"));
  add("link in the middle", TarBuilder().dir("a").symlink("a/b", "../../canary").dir("a/b/dir/sub", 0777));
  add("link moves under a folder",
      TarBuilder().dir("a/b").symlink("a/b/c", "../../../canary").symlink("x", "a/b/c").file("x/file", "overwritten"));
  add("loop", TarBuilder().symlink("a", "b").symlink("b", "a").file("a/file"), Expect::refused);
  add("link to itself", TarBuilder().symlink("a", "a").file("a/file"), Expect::refused);
  add("link to the root", TarBuilder().symlink("a", "/").file("a/a/a/a/file"), Expect::inside);
  TarBuilder chain;
  for (int i = 0; i < 60; ++i) chain.symlink(fmt::format("l{}", i), fmt::format("l{}", i + 1));
  add("chain of 60", chain.symlink("l60", canary).file("l0/file", "overwritten"), Expect::refused);
  TarBuilder wide;
  for (int i = 0; i < 30; ++i) wide.symlink(fmt::format("w{}", i), fmt::format("w{0}/../w{0}", i + 1));
  add("links that double", wide.symlink("w30", "/").file("w0/file"));
}

inline void add_hard_links(std::vector<Attack>& out, const Target& target_tree) {
  const std::string targets[] = {
      "../canary/file", "/../canary/file", "a/../../canary/file", "..", "../", "/..", "../../../../../../etc/passwd"};
  for (const auto& target : targets) {
    out.push_back({"hard link to " + target,
                   TarBuilder().hard_link("stolen", target).file("stolen", "overwritten").end(), Expect::refused});
    out.push_back({"long hard link to " + target,
                   TarBuilder().gnu_long('K', target).hard_link("stolen", "x").file("stolen", "overwritten").end(),
                   Expect::refused});
    out.push_back({"PAX hard link to " + target,
                   TarBuilder().add({.name = "stolen", .type = '1', .pax = {{"linkpath", target}}}).end(),
                   Expect::refused});
  }
  out.push_back({"hard link to an absolute file", TarBuilder().hard_link("s", target_tree.canary + "/file").end(),
                 Expect::refused});
  out.push_back({"hard link to nothing", TarBuilder().hard_link("s", "").end(), Expect::refused});
  out.push_back({"hard link to the root", TarBuilder().hard_link("s", "/").end(), Expect::refused});
  out.push_back({"hard link to a folder", TarBuilder().dir("d").hard_link("s", "d").end(), Expect::refused});
  out.push_back({"hard link to what comes later", TarBuilder().hard_link("s", "f").file("f").end(), Expect::refused});
  out.push_back({"hard link to a whiteout", TarBuilder().file(".wh.f", "").hard_link("s", "f").end(), Expect::refused});
  out.push_back({"hard link over its own folder", TarBuilder().dir("d").file("d/f").hard_link("d", "d/f").end(),
                 Expect::refused});
  out.push_back({"hard link below a file", TarBuilder().file("f").hard_link("s", "f/x").end(), Expect::refused});
}

inline void add_roots(std::vector<Attack>& out, const Target& target_tree) {
  for (std::string name : {".", "./", "/.", "/", "//", "././.", "a/..", "./a/../"}) {
    for (char type : {'0', '2', '1', '6', '3'}) {
      // A slash at the end makes a folder of a plain file, and that is a harmless root.
      bool folder = type == '0' && name.ends_with('/');
      out.push_back({"root " + name + " as " + type,
                     TarBuilder().add(member(name, type, target_tree.canary)).file("file", "overwritten").end(),
                     folder ? Expect::inside : Expect::refused});
    }
  }
  out.push_back({"entry without a name", TarBuilder().file("").end(), Expect::refused});
}

inline void add_whiteouts(std::vector<Attack>& out, const Target& target_tree) {
  for (std::string name : {".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh...", "/.wh.", "./.wh..",
                           "a/../.wh...", ".wh./", ".wh..."}) {
    for (char type : {'0', '5'})
      out.push_back({"whiteout " + name + " " + type, TarBuilder().add(member(name, type)).end(), Expect::refused});
  }
  out.push_back({"whiteout through two links",
                 TarBuilder().symlink("a", "b").symlink("b", target_tree.base).file("a/.wh.canary", "").end(),
                 Expect::either});
  out.push_back({"whiteout below a dead link", TarBuilder().symlink("a", "/nowhere/x").file("a/.wh.f", "").end(),
                 Expect::either});
  out.push_back({"opaque through a dead link",
                 TarBuilder().symlink("a", "../../nowhere").file("a/.wh..wh..opq", "").end(), Expect::either});
}

inline void add_devices_and_attributes(std::vector<Attack>& out, const Target& target_tree) {
  for (unsigned number : {0x1000U, 0xffffU, 07777777U}) {
    out.push_back({fmt::format("device major {}", number),
                   TarBuilder().add({.name = "d", .type = '3', .major = number}).end(), Expect::refused});
  }
  out.push_back({"device minor", TarBuilder().add({.name = "d", .type = '4', .major = 8, .minor = 07777777}).end(),
                 Expect::refused});
  auto xattr = [&](std::string name, std::string value, Expect expect) {
    out.push_back({fmt::format("xattr {} of {}", name.size(), value.size()),
                   TarBuilder().add({.name = "f", .content = "x", .pax = {{"SCHILY.xattr." + name, value}}}).end(),
                   expect});
  };
  xattr("", "v", Expect::refused);
  xattr("user." + std::string(251, 'n'), "v", Expect::refused);
  xattr("user.v", std::string(65537, 'v'), Expect::refused);
  xattr(std::string("user.n\0ul", 9), "v", Expect::refused);
  xattr("nonsense", "v", Expect::inside);
  Member many{.name = "f", .content = "x"};
  for (int i = 0; i < 200; ++i) many.pax.emplace_back(fmt::format("SCHILY.xattr.user.a{}", i), "v");
  out.push_back({"200 xattrs", TarBuilder().add(many).end(), Expect::refused});
  out.push_back(
      {"mode through a link",
       TarBuilder().symlink("f", target_tree.canary + "/file").add({.name = "f", .type = '5', .mode = 04777}).end(),
       Expect::inside});
  for (std::string id : {"4294967295", "4294967296", "-1", "18446744073709551616", "0x10", ""}) {
    out.push_back({"owner " + id, TarBuilder().add({.name = "f", .content = "x", .pax = {{"uid", id}}}).end(),
                   id.empty() ? Expect::inside : Expect::refused});
  }
}

inline void add_lengths(std::vector<Attack>& out) {
  auto add = [&](std::string name, std::string path, Expect expect) {
    out.push_back(
        {"length " + name, TarBuilder().add({.name = "x", .content = "x", .pax = {{"path", path}}}).end(), expect});
    out.push_back({"GNU length " + name, TarBuilder().gnu_long('L', path).file("x").end(), expect});
  };
  add("255", std::string(255, 'n'), Expect::inside);
  add("256", std::string(256, 'n'), Expect::refused);
  add("folder of 256", std::string(256, 'n') + "/f", Expect::refused);
  // 4095 bytes are as long as the kernel takes.
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += std::string(203, 'd') + "/";
  add("4095", deep + std::string(15, 'f'), Expect::inside);
  add("4096", deep + std::string(16, 'f'), Expect::refused);
  add("70000", std::string(70000, 'n'), Expect::refused);
  add("NUL", std::string("a\0/../../canary", 15), Expect::either);
  out.push_back({"link target of 5000", TarBuilder().gnu_long('K', std::string(5000, 'l')).symlink("l", "x").end(),
                 Expect::refused});
  out.push_back({"link to nothing", TarBuilder().symlink("l", "").end(), Expect::refused});
  out.push_back({"NUL in PAX name",
                 TarBuilder().add({.name = "x", .content = "x", .pax = {{"path", std::string("a\0b", 3)}}}).end(),
                 Expect::refused});
}

inline void add_lies(std::vector<Attack>& out) {
  auto add = [&](std::string name, const std::string& tar) { out.push_back({"lie " + name, tar, Expect::refused}); };
  for (std::string text : {"7 a=b", "5 a=b\n", "99 a=b\n", "-6 a=b\n", "6  a=b\n", "0 a=b\n", "x a=b\n", "4 a=\n",
                           "6 =ab\n", "99999999999999999999 a=b\n", "6 a=b\nrest"}) {
    add("PAX record " + text.substr(0, 9),
        TarBuilder().add({.name = "p", .type = 'x', .content = text}).file("f").end());
  }
  add("PAX of 2 MiB",
      TarBuilder().add({.name = "p", .type = 'x', .content = std::string(2U << 20U, 'a')}).file("f").end());
  add("PAX size of 8 GiB", TarBuilder().add({.name = "p", .type = 'x', .size = 077777777777}).file("f").end());
  add("file of 8 GiB", TarBuilder().add({.name = "f", .size = 077777777777}).end());
  for (std::string size : {"9223372036854775807", "18446744073709551615", "-1", "1e9", " 1", "9223372036854775296"}) {
    add("PAX size " + size, TarBuilder().add({.name = "f", .content = "x", .pax = {{"size", size}}}).end());
  }
  std::string many = TarBuilder().add_pax('x', {{"comment", "x"}}).unfinished();
  TarBuilder headers;
  for (int i = 0; i < 100; ++i) headers.data(many);
  add("100 PAX headers", headers.file("f").end());
  add("PAX header before the end", TarBuilder().add_pax('x', {{"path", "x"}}).end());
  add("long name before the end", TarBuilder().gnu_long('L', "x").end());
  add("lone block of zeros", TarBuilder().file("a").data(std::string(512, '\0')).file("b").end());
  add("no tar at all", std::string(10240, 'A'));
  for (char type : {'8', 'M', 'Q', 'A', '\x7f', ' '})
    add(std::string("type ") + type, TarBuilder().add({.name = "f", .type = type}).end());
  for (int at : {100, 108, 116, 124, 136}) {
    std::string tar = TarBuilder().file("f").unfinished();
    tar[static_cast<std::size_t>(at)] = '9';
    std::string header = tar.substr(0, tar_block);
    add(fmt::format("digit 9 at {}", at), TarBuilder().raw_header(header).data("x").end());
  }
  for (int fill : {0xff, 0x80 | 0x7f, 0xc0}) {
    std::string header = TarBuilder().file("f").unfinished().substr(0, tar_block);
    for (std::size_t i = 124; i < 136; ++i) header[i] = static_cast<char>(fill);
    add(fmt::format("base 256 size {:x}", fill), TarBuilder().raw_header(header).data("x").end());
  }
}

inline void add_sparse_lies(std::vector<Attack>& out) {
  using Records = std::vector<std::pair<std::string, std::string>>;
  auto add = [&](std::string name, Records records, std::string content = "0123456789") {
    out.push_back({"sparse " + name,
                   TarBuilder().add({.name = "f", .content = std::move(content), .pax = std::move(records)}).end(),
                   Expect::refused});
  };
  const std::string huge = "9223372036854775807";
  add("8 EiB hole", {{"GNU.sparse.map", "0,10"}, {"GNU.sparse.size", huge}});
  add("beyond the end", {{"GNU.sparse.map", "100,10"}, {"GNU.sparse.size", "50"}});
  add("overlap", {{"GNU.sparse.map", "0,5,3,5"}, {"GNU.sparse.size", "50"}});
  add("backwards", {{"GNU.sparse.map", "20,5,0,5"}, {"GNU.sparse.size", "50"}});
  add("overflow", {{"GNU.sparse.map", huge + ",10"}, {"GNU.sparse.size", huge}});
  add("more than there is", {{"GNU.sparse.map", "0,40"}, {"GNU.sparse.size", "50"}});
  add("less than there is", {{"GNU.sparse.map", "0,4"}, {"GNU.sparse.size", "50"}});
  add("odd map", {{"GNU.sparse.map", "0,4,6"}, {"GNU.sparse.size", "50"}});
  add("words", {{"GNU.sparse.map", "a,b"}, {"GNU.sparse.size", "50"}});
  add("without a size", {{"GNU.sparse.map", "0,10"}});
  add("negative size", {{"GNU.sparse.map", "0,10"}, {"GNU.sparse.size", "-5"}});
  add("unknown version", {{"GNU.sparse.major", "2"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "50"}});
  Records v1 = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.realsize", "50"}};
  add("1.0 without a map", v1, "");
  add("1.0 with letters", v1, "x\n" + std::string(510, '\0'));
  add("1.0 with many pieces", v1, "99999999\n" + std::string(503, '\0'));
  add("1.0 with a long number", v1, std::string(512, '1'));
  add("1.0 cut", v1, "3\n0\n10\n");
  add("1.0 name climbs",
      {{"GNU.sparse.major", "1"},
       {"GNU.sparse.minor", "0"},
       {"GNU.sparse.realsize", "0"},
       {"GNU.sparse.name", "../canary/file"}},
      "0\n" + std::string(510, '\0'));
  std::string header = TarBuilder().add({.name = "f", .type = 'S', .magic = "ustar  "}).unfinished();
  TarBuilder::octal(header, field::gnu_real_size, 50);
  TarBuilder::octal(header, {386, 12}, 0);
  TarBuilder::octal(header, {398, 12}, 20);
  out.push_back({"sparse old GNU, no data", TarBuilder().raw_header(header).end(), Expect::refused});
  header[482] = 1;
  out.push_back({"sparse old GNU, endless map", TarBuilder().raw_header(header).unfinished(), Expect::refused});
}

inline std::vector<Attack> all_attacks(const Target& target_tree) {
  std::vector<Attack> out;
  add_climbing_names(out, target_tree);
  add_links_out(out, target_tree);
  add_link_chains(out, target_tree);
  add_hard_links(out, target_tree);
  add_roots(out, target_tree);
  add_whiteouts(out, target_tree);
  add_devices_and_attributes(out, target_tree);
  add_lengths(out);
  add_lies(out);
  add_sparse_lies(out);
  return out;
}

}  // namespace servin::archive::testing
