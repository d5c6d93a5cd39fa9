// SPDX-License-Identifier: Apache-2.0
// The one way to a path inside a container's root file system, whose content is hostile. The kernel resolves the whole
// path below the root (openat2, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS; Linux 5.6); where openat2 is missing or
// forbidden a walk, one component at a time with O_PATH | O_NOFOLLOW, does the same. `root` is an O_PATH or O_RDONLY
// descriptor of the root folder. Paths may be absolute or relative: both start at the root; ".." never leaves it; links
// are followed inside it.
#pragma once

#include <string>
#include <string_view>

#include "os/fd.h"

namespace servin {

enum class Links {
  follow,  // also the last component, inside the root
  last,    // parents are followed, the last component is not: with O_PATH | O_NOFOLLOW a link itself is opened
  none,    // any link on the way is an error (ELOOP)
};

/// Throws errno_error naming the path. flags get O_CLOEXEC; O_CREAT makes one file in an existing folder.
Fd open_in_root(const Fd& root, std::string_view path, int flags, unsigned mode = 0, Links links = Links::follow);
/// The same, but returns a closed Fd with errno set instead of throwing.
Fd try_open_in_root(const Fd& root, std::string_view path, int flags, unsigned mode = 0, Links links = Links::follow);
/// mkdir -p below the root, one mkdirat per component; existing links to folders are followed inside the root. Returns
/// an O_PATH descriptor of the last folder.
Fd make_dirs_in_root(const Fd& root, std::string_view path, unsigned mode = 0755);
/// At most `limit` bytes of a regular file below the root; a fifo, device or folder is an error, and never blocks.
std::string read_file_in_root(const Fd& root, std::string_view path, std::size_t limit);
/// A path's parent and last component, for *at() calls: parent opened inside the root (O_PATH). The name is never
/// empty, "." or "..".
struct Parent {
  Fd dir;
  std::string name;
};
Parent open_parent_in_root(const Fd& root, std::string_view path);
/// What an O_PATH descriptor holds, opened for real: no name is looked up a second time. Look at its type first, so
/// that no device is ever opened. Throws errno_error naming `what`.
Fd reopen(const Fd& held, int flags, std::string_view what);
/// Is something mounted on this name? Who removes or renames a mount point from outside of its mount namespace takes
/// the mount off. False for a name that is not there.
bool is_mount_point(const Fd& dir, const std::string& name);
/// Is this where a mount begins?
bool is_mount_root(const Fd& held);
/// remove_tree_at() (os/file.h) for a tree of another mount namespace: each name is looked at first, and what is
/// mounted stays (an Error with EBUSY).
void remove_tree_between_mounts(const Fd& parent, const std::string& name);

namespace detail {
/// Tests set it to use the walk although the kernel has openat2.
void forbid_openat2(bool forbid);
}  // namespace detail

}  // namespace servin
