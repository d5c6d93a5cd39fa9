// SPDX-License-Identifier: Apache-2.0
// For tests: a folder tree as text, one line a name, to compare with what was expected or with what was there before.
#pragma once

#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <stdlib.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::archive::testing {

/// A folder in /tmp that goes away with the object.
class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/servin-archive-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw_errno("make a folder for the test");
    path_ = name;
  }
  ~TempFolder() { remove_tree(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// "PATH d|f|l|c|b|p ..." for all below `root`, sorted. What is ordinary is left out: owner 0:0, modes 644 (755 for
/// folders, none for links), time 1000. Content: up to 40 printable bytes as they are, else length and digest. Names of
/// one inode say "=first name".
class TreeText {
 public:
  static std::string of(const std::string& root, bool with_times = true) {
    TreeText text(root, with_times);
    text.list(root, "");
    std::string out;
    for (const auto& line : text.lines_) out += line + "\n";
    return out;
  }

 private:
  TreeText(std::string root, bool with_times) : root_(std::move(root)), with_times_(with_times) {
    struct stat st{};
    if (::lstat(root_.c_str(), &st) == 0) line(root_, ".", st);
  }

  void list(const std::string& folder, const std::string& prefix) {
    std::vector<std::string> names = list_dir(folder);
    for (const auto& name : names) {
      struct stat st{};
      std::string path = folder + "/" + name;
      if (::lstat(path.c_str(), &st) != 0) throw_errno("stat {}", path);
      line(path, prefix + name, st);
      if (S_ISDIR(st.st_mode)) list(path, prefix + name + "/");
    }
  }

  void line(const std::string& path, const std::string& name, const struct stat& st) {
    std::string out = printable(name) + " " + type(st.st_mode);
    unsigned usual = S_ISDIR(st.st_mode) ? 0755 : S_ISLNK(st.st_mode) ? 0777 : 0644;
    if ((st.st_mode & 07777U) != usual) out += fmt::format(" {:o}", st.st_mode & 07777U);
    if (st.st_uid != 0 || st.st_gid != 0) out += fmt::format(" {}:{}", st.st_uid, st.st_gid);
    if (with_times_ && (st.st_mtim.tv_sec != 1000 || st.st_mtim.tv_nsec != 0)) {
      out += fmt::format(" @{}.{:09}", st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
    if (S_ISLNK(st.st_mode)) out += " ->" + target(path);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) out += fmt::format(" {},{}", major(st.st_rdev), minor(st.st_rdev));
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      auto [it, is_first] = first_names_.try_emplace(st.st_ino, name);
      if (!is_first) out += " =" + it->second;
    }
    if (S_ISREG(st.st_mode)) out += " " + content(path);
    lines_.push_back(out + xattrs(path));
  }

  static char type(mode_t mode) {
    switch (mode & S_IFMT) {
      case S_IFDIR:
        return 'd';
      case S_IFLNK:
        return 'l';
      case S_IFCHR:
        return 'c';
      case S_IFBLK:
        return 'b';
      case S_IFIFO:
        return 'p';
      default:
        return 'f';
    }
  }
  static std::string target(const std::string& path) {
    char text[4096];
    ssize_t n = ::readlink(path.c_str(), text, sizeof text);
    return printable({text, n > 0 ? static_cast<std::size_t>(n) : 0});
  }
  static std::string content(const std::string& path) {
    std::string bytes = read_file(path, std::size_t{1} << 30U).value_or("?");
    bool plain = bytes.size() <= 40 && printable(bytes) == bytes;
    return plain ? "\"" + bytes + "\"" : fmt::format("{} {}", bytes.size(), sha256_hex(bytes).substr(0, 12));
  }
  static std::string xattrs(const std::string& path) {
    char names[4096];
    ssize_t size = ::llistxattr(path.c_str(), names, sizeof names);
    std::vector<std::string> found;
    for (ssize_t at = 0; at < size;) {
      std::string name = names + at;
      at += static_cast<ssize_t>(name.size()) + 1;
      std::string value(65536, '\0');
      ssize_t n = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
      value.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
      if (value.size() > 40) value = fmt::format("{} bytes", value.size());
      found.push_back(" {" + name + "=" + printable(value) + "}");
    }
    std::sort(found.begin(), found.end());
    return join(found, "");
  }

  std::string root_;
  bool with_times_;
  std::map<ino_t, std::string> first_names_;
  std::vector<std::string> lines_;
};

}  // namespace servin::archive::testing
