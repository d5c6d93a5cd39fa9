// SPDX-License-Identifier: Apache-2.0
// Single files and folders below a root, for `servin fs`. Paths may be absolute or relative: both start at the root,
// and links lead to places inside of it. Throws E-PATH-* naming the path.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "os/fd.h"

namespace servin::files {

struct Info {
  std::string name;  // as asked for, or in its folder
  struct stat st{};
  std::string target;  // of a link
};

/// `follow`: what a link at the end leads to.
Fd hold(const Fd& root, const std::string& path, bool follow);
Info look(const Fd& root, const std::string& path, bool follow);
/// Names in a folder with what they are; a file alone is a list of itself.
std::vector<Info> list(const Fd& root, const std::string& path);
/// A regular file's bytes to `out`.
void cat(const Fd& root, const std::string& path, const Fd& out);

struct FindRules {
  std::string name;    // fnmatch(3) pattern of the last component; "" = all
  std::string type;    // f d l p s b c; "" = all
  int max_depth = -1;  // -1: no limit
};
/// Paths begin with `path` as it was given. False of `found` stops.
void find(const Fd& root, const std::string& path, const FindRules& rules,
          const std::function<bool(const std::string& path, const struct stat& st)>& found);

/// `parents`: mkdir -p.
void make_folder(const Fd& root, const std::string& path, unsigned mode, bool parents);
/// An empty one.
void remove_folder(const Fd& root, const std::string& path);
/// `recursive`: folders too; `force`: no error when it is not there.
void remove(const Fd& root, const std::string& path, bool recursive, bool force);
/// As mv: into `to` when that is a folder; from one mount to another by copy and removal.
void move(const Fd& root, const std::string& from, const std::string& to);
/// "644", "u+x,go-w" (chmod(1)); links are followed, but not below a folder.
void change_mode(const Fd& root, const std::string& path, const std::string& mode, bool recursive);
/// The mode after `change` on a file of mode `old`; `folder`: for X. Throws E-OPTION-VALUE.
unsigned changed_mode(const std::string& change, unsigned old, bool folder);

}  // namespace servin::files
