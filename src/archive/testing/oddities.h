// SPDX-License-Identifier: Apache-2.0
// For tests: valid archives that are unusual, with the tree that each means (as TreeText writes it).
#pragma once

#include <string>
#include <vector>

#include "archive/testing/tar_builder.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace servin::archive::testing {

struct Oddity {
  std::string name;
  std::string tar;
  std::string expected;
  bool plain = false;  // GNU tar makes the same of it
  bool with_times = false;
};

inline void add_names(std::vector<Oddity>& out) {
  out.push_back({"empty stream", "", ""});
  out.push_back({"zeros only", std::string(1024, '\0'), "", true});
  out.push_back({"one block of zeros at the end", TarBuilder().file("f").data(std::string(512, '\0')).unfinished(),
                 "f f \"x\"\n", true});
  out.push_back({"no blocks of zeros", TarBuilder().file("f").unfinished(), "f f \"x\"\n", true});
  out.push_back({"bytes after the end", TarBuilder().file("f").end() + std::string(700, 'z'), "f f \"x\"\n"});
  out.push_back({"dot slash", TarBuilder().dir("./").dir("./a").file("./a/f").end(), "a d\na/f f \"x\"\n", true});
  out.push_back({"absolute", TarBuilder().dir("/a/").file("/a/f").end(), "a d\na/f f \"x\"\n", true});
  out.push_back({"double slashes", TarBuilder().dir("a//").file("a///f").file(".//a/./g").end(),
                 "a d\na/f f \"x\"\na/g f \"x\"\n", true});
  out.push_back({"dots inside", TarBuilder().dir("a").dir("b").file("a/../b/f").end(), "a d\nb d\nb/f f \"x\"\n"});
  out.push_back({"names of dots", TarBuilder().file("...").file("..a").file("a..").end(),
                 "... f \"x\"\n..a f \"x\"\na.. f \"x\"\n", true});
  out.push_back({"not UTF-8", TarBuilder().file("\xff\xfe").file("caf\xe9").end(), "", false});
  out.back().expected = printable("caf\xe9") + " f \"x\"\n" + printable("\xff\xfe") + " f \"x\"\n";
  out.push_back({"new line and spaces", TarBuilder().file("a\nb").file(" c ").end(), "", true});
  out.back().expected = " c  f \"x\"\n" + printable("a\nb") + " f \"x\"\n";
  out.push_back(
      {"backslash and star", TarBuilder().file("a\\b").file("*?[").end(), "*?[ f \"x\"\na\\b f \"x\"\n", true});
  std::string n100(100, 'n');
  out.push_back({"100 bytes without a NUL", TarBuilder().file(n100).end(), n100 + " f \"x\"\n", true});
  std::string p155(155, 'p');
  out.push_back({"full prefix", TarBuilder().add({.name = n100, .content = "x", .prefix = p155}).end(),
                 p155 + " d\n" + p155 + "/" + n100 + " f \"x\"\n", true});
  std::string long_name = std::string(200, 'a') + "/" + std::string(200, 'b');
  std::string long_tree = std::string(200, 'a') + " d\n" + long_name;
  out.push_back(
      {"GNU long name", TarBuilder().gnu_long('L', long_name).file("short").end(), long_tree + " f \"x\"\n", true});
  out.push_back({"PAX long name",
                 TarBuilder().add({.name = "short", .content = "x", .pax = {{"path", long_name}}}).end(),
                 long_tree + " f \"x\"\n", true});
  out.push_back({"GNU long link", TarBuilder().gnu_long('K', long_name).symlink("l", "short").end(),
                 "l l ->" + long_name + "\n", true});
  out.push_back({"GNU long name and link",
                 TarBuilder().gnu_long('K', long_name).gnu_long('L', std::string(150, 'c')).symlink("x", "y").end(),
                 std::string(150, 'c') + " l ->" + long_name + "\n", true});
  out.push_back(
      {"PAX and GNU names mixed",
       TarBuilder().gnu_long('L', "from-gnu").add({.name = "h", .content = "x", .pax = {{"path", "from-pax"}}}).end(),
       "from-pax f \"x\"\n"});
  out.push_back(
      {"empty PAX path", TarBuilder().add({.name = "h", .content = "x", .pax = {{"path", ""}}}).end(), "h f \"x\"\n"});
  out.push_back({"PAX path twice",
                 TarBuilder().add({.name = "h", .content = "x", .pax = {{"path", "one"}, {"path", "two"}}}).end(),
                 "two f \"x\"\n", true});
  out.push_back({"PAX hard link",
                 TarBuilder().file("f").add({.name = "g", .type = '1', .pax = {{"linkpath", "f"}}}).end(),
                 "f f \"x\"\ng f =f \"x\"\n", true});
  std::string star(512, '\0');
  TarBuilder::put(star, field::star_magic, std::string_view("tar\0", 4));
  TarBuilder::put(star, field::name, "f");
  TarBuilder::put(star, field::magic,
                  std::string_view("ustar\0"
                                   "00",
                                   8));
  TarBuilder::put(star, {345, 131}, "p");
  TarBuilder::put(star, {476, 12}, "00000001750");
  TarBuilder::octal(star, field::mode, 0644);
  TarBuilder::octal(star, field::mtime, 1000);
  star[156] = '0';
  out.push_back({"star's prefix", TarBuilder().raw_header(star).end(), "p d\np/f f \"\"\n"});
}

inline void add_headers(std::vector<Oddity>& out) {
  out.push_back(
      {"v7", TarBuilder().add({.name = "f", .type = '\0', .content = "x", .magic = ""}).end(), "f f \"x\"\n", true});
  out.push_back({"v7 folder", TarBuilder().add({.name = "d/", .type = '\0', .magic = ""}).end(), "d d 644\n"});
  out.push_back({"folder by its slash", TarBuilder().add({.name = "d/", .mode = 0755}).end(), "d d\n", true});
  out.push_back(
      {"GNU magic", TarBuilder().add({.name = "f", .content = "x", .magic = "ustar  "}).end(), "f f \"x\"\n", true});
  out.push_back(
      {"contiguous file", TarBuilder().add({.name = "f", .type = '7', .content = "x"}).end(), "f f \"x\"\n", true});
  out.push_back({"volume label", TarBuilder().add({.name = "label", .type = 'V', .magic = "ustar  "}).file("f").end(),
                 "f f \"x\"\n"});
  out.push_back(
      {"global header", TarBuilder().add_pax('g', {{"comment", "git"}}).file("f").end(), "f f \"x\"\n", true});
  out.push_back({"global owner",
                 TarBuilder()
                     .add_pax('g', {{"uid", "77"}})
                     .file("f")
                     .add({.name = "g", .content = "x", .pax = {{"uid", "5"}}})
                     .end(),
                 "f f 77:0 \"x\"\ng f 5:0 \"x\"\n", true});
  out.push_back({"Solaris header", TarBuilder().add_pax('X', {{"path", "p"}}).file("f").end(), "p f \"x\"\n"});
  out.push_back(
      {"incremental folder",
       TarBuilder()
           .add({.name = "d", .type = 'D', .content = std::string("Yf\0\0", 4), .mode = 0755, .magic = "ustar  "})
           .end(),
       "d d\n"});
  out.push_back({"folder with a size",
                 TarBuilder().add({.name = "d", .type = '5', .mode = 0755, .size = 4096}).file("f").end(),
                 "d d\nf f \"x\"\n"});
  out.push_back({"link with a size",
                 TarBuilder().file("f").add({.name = "h", .link = "f", .type = '1', .size = 1}).file("z").end(),
                 "f f \"x\"\nh f =f \"x\"\nz f \"x\"\n"});
  std::string spaces = TarBuilder().file("f").unfinished().substr(0, 512);
  std::memcpy(spaces.data() + 100, "   644 \0", 8);
  std::memcpy(spaces.data() + 124, "         1 \0", 12);
  out.push_back({"numbers with spaces", TarBuilder().raw_header(spaces).data("x").end(), "f f \"x\"\n", true});
  std::string blank = TarBuilder().file("f").unfinished().substr(0, 512);
  std::memset(blank.data() + 108, 0, 16);
  std::memset(blank.data() + 329, ' ', 16);
  out.push_back({"blank numbers", TarBuilder().raw_header(blank).data("x").end(), "f f \"x\"\n", true});
  std::string large = TarBuilder().file("f").unfinished().substr(0, 512);
  std::memcpy(large.data() + 108, "\x80\0\0\0\x00\x3b\x9a\xca", 8);
  std::memcpy(large.data() + 124, "\x80\0\0\0\0\0\0\0\0\0\0\x01", 12);
  out.push_back({"base 256", TarBuilder().raw_header(large).data("x").end(), "f f 3906250:0 \"x\"\n", true});
  std::string old = TarBuilder().file("caf\xe9").unfinished();
  auto sums = checksums(old.data());
  char text[9];
  std::snprintf(text, sizeof text, "%06llo", static_cast<unsigned long long>(sums.second));
  std::memcpy(old.data() + 148, text, 7);
  out.push_back({"signed checksum", old + std::string(1024, '\0'), printable("caf\xe9") + " f \"x\"\n"});
  out.push_back({"PAX size",
                 TarBuilder().add({.name = "f", .content = "12345", .size = 1, .pax = {{"size", "5"}}}).end(), "",
                 false});
  // The builder pads by the content, so the field may lie.
  out.back().expected = "f f \"12345\"\n";
  out.push_back(
      {"large owner",
       TarBuilder().add({.name = "f", .content = "x", .pax = {{"uid", "4294967294"}, {"gid", "3000000000"}}}).end(),
       "f f 4294967294:3000000000 \"x\"\n", true});
}

inline void add_times(std::vector<Oddity>& out) {
  auto add = [&](std::string name, std::string tar, std::string expected, bool plain = true) {
    out.push_back({std::move(name), std::move(tar), std::move(expected), plain, true});
  };
  auto timed = [](std::string mtime) {
    return TarBuilder().add({.name = "f", .content = "x", .pax = {{"mtime", std::move(mtime)}}}).end();
  };
  add("fraction of a second", timed("1700000000.123456789"), "f f @1700000000.123456789 \"x\"\n");
  add("more digits than nanoseconds", timed("1700000000.1234567899"), "f f @1700000000.123456789 \"x\"\n");
  add("before 1970", timed("-1.5"), "f f @-2.500000000 \"x\"\n");
  add("folders keep their time", TarBuilder().dir("a").dir("a/b").file("a/b/f").file("a/g").end(),
      "a d\na/b d\na/b/f f \"x\"\na/g f \"x\"\n");
  add("last entry of a folder counts",
      TarBuilder().dir("a").file("a/f").add({.name = "a", .type = '5', .mode = 0750, .mtime = 2000}).file("a/g").end(),
      "a d 750 @2000.000000000\na/f f \"x\"\na/g f \"x\"\n");
  add("links have times", TarBuilder().add({.name = "l", .link = "x", .type = '2', .mtime = 5}).end(),
      "l l @5.000000000 ->x\n");
  add("folder through a link keeps its time", TarBuilder().dir("a").symlink("l", "a").dir("l/b").file("a/b/f").end(),
      "a d\na/b d\na/b/f f \"x\"\nl l ->a\n", false);
}

inline void add_links(std::vector<Oddity>& out) {
  auto add = [&](std::string name, std::string tar, std::string expected, bool plain = false) {
    out.push_back({std::move(name), std::move(tar), std::move(expected), plain});
  };
  add("absolute hard link target", TarBuilder().dir("a").file("a/f").hard_link("g", "/a/f").end(),
      "a d\na/f f \"x\"\ng f =a/f \"x\"\n");
  add("dotted hard link target", TarBuilder().file("f").hard_link("g", "./f").end(), "f f \"x\"\ng f =f \"x\"\n", true);
  add("hard link target through a link",
      TarBuilder().dir("usr/lib").symlink("lib", "usr/lib").file("usr/lib/f").hard_link("g", "lib/f").end(),
      "g f \"x\"\nlib l ->usr/lib\nusr d\nusr/lib d\nusr/lib/f f =g \"x\"\n");
  add("hard link to a symlink", TarBuilder().symlink("l", "f").hard_link("m", "l").end(), "l l ->f\nm l ->f =l\n",
      true);
  add("hard link to a fifo", TarBuilder().add({.name = "p", .type = '6'}).hard_link("q", "p").end(), "p p\nq p =p\n");
  add("hard link to itself", TarBuilder().file("f").hard_link("f", "./f").end(), "f f \"x\"\n");
  add("hard link twice", TarBuilder().file("f").hard_link("g", "f").hard_link("g", "f").end(),
      "f f \"x\"\ng f =f \"x\"\n", true);
  add("hard link over a file", TarBuilder().file("f").file("g", "old").hard_link("g", "f").end(),
      "f f \"x\"\ng f =f \"x\"\n", true);
  add("one of two links written again", TarBuilder().file("f", "one").hard_link("g", "f").file("f", "two").end(),
      "f f \"two\"\ng f \"one\"\n", true);
  add("usrmerge", TarBuilder().dir("usr").dir("usr/bin").symlink("bin", "usr/bin").file("bin/sh").end(),
      "bin l ->usr/bin\nusr d\nusr/bin d\nusr/bin/sh f \"x\"\n");
  add("absolute link as a parent",
      TarBuilder().dir("run").dir("var").symlink("var/run", "/run").file("var/run/f").end(),
      "run d\nrun/f f \"x\"\nvar d\nvar/run l ->/run\n");
  add("link to a folder that comes later",
      TarBuilder().symlink("lib", "usr/lib").file("lib/f").dir("usr").dir("usr/lib", 0750).end(),
      "lib l ->usr/lib\nusr d\nusr/lib d 750\nusr/lib/f f \"x\"\n");
  add("dead link as a parent, with dots", TarBuilder().symlink("a", "../../x/./y/../z").file("a/f").end(),
      "a l ->../../x/./y/../z\nx d\nx/y d\nx/z d\nx/z/f f \"x\"\n");
  add("links in a row", TarBuilder().symlink("a", "b").symlink("b", "/c").symlink("c", "d").dir("d").file("a/f").end(),
      "a l ->b\nb l ->/c\nc l ->d\nd d\nd/f f \"x\"\n");
  add("odd link targets", TarBuilder().symlink("a", "../../../etc").symlink("b", "//x//").symlink("c", ".").end(),
      "a l ->../../../etc\nb l ->//x//\nc l ->.\n");
}

inline void add_replacements(std::vector<Oddity>& out) {
  auto add = [&](std::string name, std::string tar, std::string expected, bool plain = false) {
    out.push_back({std::move(name), std::move(tar), std::move(expected), plain});
  };
  add("file twice", TarBuilder().file("f", "one").file("f", "two", 0600).end(), "f f 600 \"two\"\n", true);
  add("missing parents", TarBuilder().file("a/b/c/f").end(), "a d\na/b d\na/b/c d\na/b/c/f f \"x\"\n", true);
  add("parents after their children", TarBuilder().file("a/b/f").dir("a/b", 0700).dir("a", 0711).end(),
      "a d 711\na/b d 700\na/b/f f \"x\"\n", true);
  add("folder over a link", TarBuilder().dir("d").file("d/f").symlink("l", "d").dir("l").file("l/g").end(),
      "d d\nd/f f \"x\"\nl d\nl/g f \"x\"\n");
  add("folder over a file", TarBuilder().file("a").dir("a").file("a/f").end(), "a d\na/f f \"x\"\n");
  add("file over a link", TarBuilder().file("f", "kept").symlink("l", "f").file("l", "own").end(),
      "f f \"kept\"\nl f \"own\"\n", true);
  add("file over a full folder", TarBuilder().dir("a").dir("a/b").file("a/b/f").file("a").end(), "a f \"x\"\n");
  add("link over a full folder", TarBuilder().dir("b").dir("a").file("a/f").symlink("a", "b").file("a/g").end(),
      "a l ->b\nb d\nb/g f \"x\"\n");
  add("link over a link", TarBuilder().symlink("l", "a").symlink("l", "b").end(), "l l ->b\n", true);
  add("fifo over a file", TarBuilder().file("p").add({.name = "p", .type = '6', .mode = 0600}).end(), "p p 600\n",
      true);
  add("folder merges", TarBuilder().dir("a").file("a/f").dir("a", 0700).file("a/g").end(),
      "a d 700\na/f f \"x\"\na/g f \"x\"\n", true);
  add("devices",
      TarBuilder()
          .add({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3})
          .add({.name = "b", .type = '4', .mode = 0660, .gid = 6, .major = 259, .minor = 300})
          .end(),
      "b b 660 0:6 259,300\nnull c 666 1,3\n", true);
  add("setuid and sticky", TarBuilder().file("su", "x", 06755).dir("t", 01777).dir("g", 02775).file("g/f").end(),
      "g d 2775\ng/f f \"x\"\nsu f 6755 \"x\"\nt d 1777\n", true);
  add("setuid of another owner",
      TarBuilder().add({.name = "su", .content = "x", .mode = 04755, .uid = 1000, .gid = 1000}).end(),
      "su f 4755 1000:1000 \"x\"\n", true);
  add("mode 0", TarBuilder().dir("d", 0).file("d/f", "x", 0).end(), "d d 0\nd/f f 0 \"x\"\n", true);
}

inline void add_whiteout_forms(std::vector<Oddity>& out) {
  auto add = [&](std::string name, std::string tar, std::string expected) {
    out.push_back({std::move(name), std::move(tar), std::move(expected)});
  };
  const std::string opaque = " {trusted.overlay.opaque=y}";
  add("whiteout", TarBuilder().dir("a").file("a/.wh.f", "").end(), "a d\na/f c 0 0,0\n");
  add("whiteout twice", TarBuilder().file(".wh.f", "").file(".wh.f", "").end(), "f c 0 0,0\n");
  add("opaque", TarBuilder().dir("a").file("a/.wh..wh..opq", "").file("a/f").end(), "a d" + opaque + "\na/f f \"x\"\n");
  add("opaque comes last", TarBuilder().dir("a").file("a/f").file("a/.wh..wh..opq", "").end(),
      "a d" + opaque + "\na/f f \"x\"\n");
  add("opaque of an implied folder", TarBuilder().file("a/.wh..wh..opq", "").end(), "a d" + opaque + "\n");
  add("opaque twice", TarBuilder().dir("a").file("a/.wh..wh..opq", "").file("a/.wh..wh..opq", "").end(),
      "a d" + opaque + "\n");
  add("whiteout then file", TarBuilder().file(".wh.f", "").file("f").end(), "f f \"x\"\n");
  add("file then whiteout", TarBuilder().file("f").file(".wh.f", "").end(), "f f \"x\"\n");
  add("whiteout then folder", TarBuilder().file(".wh.d", "").dir("d").file("d/f").end(),
      "d d" + opaque + "\nd/f f \"x\"\n");
  add("folder then whiteout", TarBuilder().dir("d").file("d/f").file(".wh.d", "").end(),
      "d d" + opaque + "\nd/f f \"x\"\n");
  add("whiteout then a file below", TarBuilder().file(".wh.d", "").file("d/f").end(),
      "d d" + opaque + "\nd/f f \"x\"\n");
  add("whiteout through a link", TarBuilder().dir("a").symlink("l", "a").file("l/.wh.f", "").end(),
      "a d\na/f c 0 0,0\nl l ->a\n");
  add("whiteout of a long name", TarBuilder().gnu_long('L', ".wh." + std::string(250, 'n')).file("x", "").end(),
      std::string(250, 'n') + " c 0 0,0\n");
  add("AUFS bookkeeping",
      TarBuilder()
          .dir(".wh..wh.plnk")
          .file(".wh..wh.plnk/1.2")
          .file(".wh..wh.aufs", "")
          .dir(".wh..wh.orph")
          .file("f")
          .end(),
      "f f \"x\"\n");
  add("device 0:0", TarBuilder().add({.name = "f", .type = '3', .mode = 0}).end(), "f c 0 0,0\n");
}

inline void add_xattr_forms(std::vector<Oddity>& out) {
  auto add = [&](std::string name, std::vector<std::pair<std::string, std::string>> pax, std::string expected,
                 char type = '0') {
    std::string content = type == '0' ? "x" : "";
    out.push_back({std::move(name),
                   TarBuilder()
                       .add({.name = "f",
                             .link = type == '2' ? "x" : "",
                             .type = type,
                             .content = content,
                             .mode = type == '5' ? 0755U : 0644U,
                             .pax = std::move(pax)})
                       .end(),
                   std::move(expected)});
  };
  const std::string cap("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  add("user xattr", {{"SCHILY.xattr.user.a", "1"}}, "f f \"x\" {user.a=1}\n");
  add("empty xattr", {{"SCHILY.xattr.user.a", ""}}, "f f \"x\" {user.a=}\n");
  add("xattr with = and new line", {{"SCHILY.xattr.user.a", "b=c\n"}},
      "f f \"x\" {user.a=" + printable("b=c\n") + "}\n");
  add("xattr in base64", {{"LIBARCHIVE.xattr.user.a%3d", "aGVsbG8"}}, "f f \"x\" {user.a==hello}\n");
  add("xattr in both forms", {{"SCHILY.xattr.user.a", "raw"}, {"LIBARCHIVE.xattr.user.a", "aGVsbG8="}},
      "f f \"x\" {user.a=raw}\n");
  add("capability", {{"SCHILY.xattr.security.capability", cap}},
      "f f \"x\" {security.capability=" + printable(cap) + "}\n");
  add("overlay's own are dropped",
      {{"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
       {"SCHILY.xattr.user.overlay.opaque", "y"},
       {"SCHILY.xattr.trusted.overlay.opaque", "y"}},
      "f d\n", '5');
  add("labels are dropped",
      {{"SCHILY.xattr.security.selinux", "x"},
       {"SCHILY.xattr.security.ima", "x"},
       {"SCHILY.xattr.system.posix_acl_access", "x"}},
      "f f \"x\"\n");
  add("trusted on a link", {{"SCHILY.xattr.trusted.a", "1"}}, "f l ->x {trusted.a=1}\n", '2');
  add("user on a link is not possible", {{"SCHILY.xattr.user.a", "1"}}, "f l ->x\n", '2');
  add("xattr of a folder", {{"SCHILY.xattr.user.a", "1"}}, "f d {user.a=1}\n", '5');
}

inline void add_sparse_forms(std::vector<Oddity>& out) {
  // A block of data at 1024, six bytes at 4096, a hole up to 5000. GNU tar starts each piece on a new block.
  std::string first(512, 'a');
  std::string expected(5000, '\0');
  expected.replace(1024, 512, first).replace(4096, 6, "second");
  std::string tree = "f f 5000 " + sha256_hex(expected).substr(0, 12) + "\n";
  std::string data = first + "second";
  auto add = [&](std::string name, std::vector<std::pair<std::string, std::string>> pax, std::string content) {
    out.push_back(
        {std::move(name),
         TarBuilder().add({.name = "GNUSparseFile.0/f", .content = std::move(content), .pax = std::move(pax)}).end(),
         tree, true});
  };
  add("sparse 0.0",
      {{"GNU.sparse.size", "5000"},
       {"GNU.sparse.numblocks", "3"},
       {"GNU.sparse.offset", "1024"},
       {"GNU.sparse.numbytes", "512"},
       {"GNU.sparse.offset", "4096"},
       {"GNU.sparse.numbytes", "6"},
       {"GNU.sparse.offset", "5000"},
       {"GNU.sparse.numbytes", "0"},
       {"path", "f"}},
      data);
  add("sparse 0.1",
      {{"GNU.sparse.size", "5000"},
       {"GNU.sparse.numblocks", "3"},
       {"GNU.sparse.name", "f"},
       {"GNU.sparse.map", "1024,512,4096,6,5000,0"}},
      data);
  std::string map = "3\n1024\n512\n4096\n6\n5000\n0\n";
  map.resize(512);
  add("sparse 1.0",
      {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "f"}, {"GNU.sparse.realsize", "5000"}},
      map + data);
  std::string header = TarBuilder().add({.name = "f", .type = 'S', .size = 518, .magic = "ustar  "}).unfinished();
  TarBuilder::octal(header, field::gnu_real_size, 5000);
  auto piece = [](std::string& block, std::size_t at, long long offset, long long length) {
    TarBuilder::octal(block, {at, 12}, offset);
    TarBuilder::octal(block, {at + 12, 12}, length);
  };
  piece(header, 386, 1024, 512);
  std::string two = header;
  piece(two, 410, 4096, 6);
  piece(two, 434, 5000, 0);
  out.push_back({"sparse old GNU", TarBuilder().raw_header(two).data(data).end(), tree, true});
  std::string more(512, '\0');
  piece(more, 0, 4096, 6);
  piece(more, 24, 5000, 0);
  header[482] = 1;
  out.push_back({"sparse old GNU, longer map", TarBuilder().raw_header(header).data(more).data(data).end(), tree});
  out.push_back(
      {"only a hole",
       TarBuilder().add({.name = "f", .pax = {{"GNU.sparse.map", "5000,0"}, {"GNU.sparse.size", "5000"}}}).end(),
       "f f 5000 " + sha256_hex(std::string(5000, '\0')).substr(0, 12) + "\n"});
}

inline std::vector<Oddity> all_oddities() {
  std::vector<Oddity> out;
  add_names(out);
  add_headers(out);
  add_times(out);
  add_links(out);
  add_replacements(out);
  add_whiteout_forms(out);
  add_xattr_forms(out);
  add_sparse_forms(out);
  return out;
}

}  // namespace servin::archive::testing
