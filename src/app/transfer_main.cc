// SPDX-License-Identifier: Apache-2.0
// servin-transfer: talks to registries. Started by servin only, which passes a socket as descriptor 3.
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "transfer/client/protocol.h"
#include "transfer/transfer.h"

int main(int argc, char**) {
  constexpr int control = servin::transfer::protocol::control_descriptor;
  struct stat s{};
  if (argc != 1 || ::fstat(control, &s) != 0 || !S_ISSOCK(s.st_mode)) {
    constexpr char text[] =
        "servin-transfer is started by servin when it needs a registry; it is no command of its own\n";
    [[maybe_unused]] auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
    return 125;
  }
  ::fcntl(control, F_SETFD, FD_CLOEXEC);
  ::close_range(control + 1, ~0U, 0);
  return servin::transfer::serve(servin::Fd(control));
}
