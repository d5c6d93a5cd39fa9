// SPDX-License-Identifier: Apache-2.0
// The program's own stdin and stdout where an interface wants an Fd.
#pragma once

#include <fcntl.h>

#include "base/error.h"
#include "os/fd.h"

namespace servin::cli {

/// A second descriptor of stdin (0) or stdout (1). Not Fd(number).dup(): the temporary would close the number, and the
/// next file that is opened would get it.
inline Fd copy_of_standard(int number) {
  int copy = ::fcntl(number, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw_errno("duplicate a file descriptor");
  return Fd(copy);
}

}  // namespace servin::cli
