// SPDX-License-Identifier: Apache-2.0
#include "image/full_disk.h"

#include <cerrno>

#include <sys/statvfs.h>

#include "base/strings.h"

namespace servin::image {

void explain_full_disk(Error& e, const std::string& what, const Paths& paths) {
  if ((e.sys_errno() != ENOSPC && e.sys_errno() != EDQUOT) || (!e.id().empty() && e.id() != "E-DISK-FULL")) return;
  struct statvfs disk{};
  std::string free;
  if (::statvfs(paths.root.c_str(), &disk) == 0)
    free = fmt::format(" ({} of it are free)", human_size(std::uint64_t{disk.f_bavail} * disk.f_frsize));
  e.context(what)
      .with_id("E-DISK-FULL")
      .with_hint(fmt::format("make room on the file system of {}{}: servin system prune, or choose another --root",
                             paths.root, free));
}

}  // namespace servin::image
