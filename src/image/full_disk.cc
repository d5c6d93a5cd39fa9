// SPDX-License-Identifier: Apache-2.0
#include "image/full_disk.h"

#include <cerrno>

namespace servin::image {

void explain_full_disk(Error& e, const std::string& what, const Paths& paths) {
  if ((e.sys_errno() != ENOSPC && e.sys_errno() != EDQUOT) || !e.id().empty()) return;
  e.context(what)
      .with_id("E-DISK-FULL")
      .with_hint("make room on the file system of " + paths.root + ": servin system prune, or choose another --root");
}

}  // namespace servin::image
