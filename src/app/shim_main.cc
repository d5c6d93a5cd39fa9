// SPDX-License-Identifier: Apache-2.0
// servin-shim ID: the supervisor of one container. Started by servin only, which passes a socket as descriptor 3.
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "shim/client/protocol.h"
#include "shim/shim.h"

int main(int argc, char**) {
  struct stat s{};
  if (argc != 2 || ::fstat(servin::shim::spawner_descriptor, &s) != 0 || !S_ISSOCK(s.st_mode)) {
    constexpr char text[] = "servin-shim is started by servin for each container; it is no command of its own\n";
    [[maybe_unused]] auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
    return 125;
  }
  ::fcntl(servin::shim::spawner_descriptor, F_SETFD, FD_CLOEXEC);
  // Whatever else the caller of servin left open: a pipe that we kept would never end for its reader.
  ::close_range(servin::shim::spawner_descriptor + 1, ~0U, 0);
  servin::shim::RuntimeLauncher namespaces(false);
  servin::shim::RuntimeLauncher host(true);
  return servin::shim::serve(servin::Fd(servin::shim::spawner_descriptor), namespaces, host);
}
