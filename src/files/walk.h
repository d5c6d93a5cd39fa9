// SPDX-License-Identifier: Apache-2.0
// files/: trees of files that others are at work on: containers' roots and the host's folders, packed as tar streams,
// unpacked, listed, searched and changed. The owner of a tree may be hostile and change it at any moment. So everything
// goes by descriptors that were resolved inside a root (os/path_open.h), names are never followed as links, and no
// device, fifo or socket is ever opened.
//
// This file: a walk through a tree, folders before what lies in them, names in the order of their bytes; and the small
// things that all of them need.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "base/error.h"
#include "os/fd.h"

namespace servin::files {

class Walker {
 public:
  struct Visit {
    Fd fd;  // O_PATH of the thing itself, links not followed
    struct stat st{};
    std::string path;  // from the name of the top on, joined by '/'
    int depth = 0;     // of the top: 0
  };
  /// `top`: O_PATH of anything. `name`: what the top is called in paths.
  Walker(Fd top, std::string name);
  /// Nothing at the end. A folder is read when the next one is asked for. What vanishes meanwhile is passed over; a
  /// folder that is moved away while the walk is in it ends the walk with an Error (conflict).
  std::optional<Visit> next();
  /// Passes over what lies in the folder that was visited last.
  void skip_below() { entered_.reset(); }

 private:
  struct Level {
    dev_t device = 0;
    ino_t inode = 0;
    std::string path;
    std::vector<std::string> names;  // to do, the last one first
  };
  Visit visit(Fd fd, std::string path, int depth);
  void enter();
  void leave();

  std::optional<Visit> top_;
  Fd entered_;  // O_PATH of the folder that was visited last
  std::string entered_path_;
  Fd here_;  // the folder of the last level
  std::vector<Level> levels_;
};

/// Does this lie on a file system that the kernel makes up (proc, sysfs, cgroup, devpts, ...)? Its files belong into no
/// copy.
bool is_made_by_kernel(const Fd& held);
/// Where a link leads, as written; at most 4095 bytes.
std::string link_target(const Fd& link, std::string_view name);
/// overlayfs's mark for what was removed from a layer below.
bool is_whiteout(const struct stat& st);
/// overlayfs's mark for a folder that hides all of the layers below.
bool is_opaque(const Fd& folder);
/// A path in a message.
std::string shown(const std::string& path);
/// E-PATH-KIND: `path` is not what the work needs.
Error wrong_kind(const std::string& path, std::string_view why, ErrorCode code = ErrorCode::invalid_argument);
/// Sorted names in a folder (O_RDONLY), without . and ..
std::vector<std::string> names_in(const Fd& folder, std::string_view name);

}  // namespace servin::files
