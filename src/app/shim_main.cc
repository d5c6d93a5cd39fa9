// SPDX-License-Identifier: Apache-2.0
// servin-shim ID PORTS: the supervisor of one container. Started by servin only, which passes a socket as descriptor 3
// and those of PORTS published ports behind it.
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/strings.h"
#include "shim/client/protocol.h"
#include "shim/shim.h"

int main(int argc, char** argv) {
  struct stat s{};
  auto ports = argc == 3 ? servin::parse_u64(argv[2]) : std::nullopt;
  if (!ports || ::fstat(servin::shim::spawner_descriptor, &s) != 0 || !S_ISSOCK(s.st_mode)) {
    constexpr char text[] = "servin-shim is started by servin for each container; it is no command of its own\n";
    [[maybe_unused]] auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
    return 125;
  }
  ::fcntl(servin::shim::spawner_descriptor, F_SETFD, FD_CLOEXEC);
  // Whatever else the caller of servin left open: a pipe that we kept would never end for its reader.
  constexpr int first = servin::shim::first_port_descriptor;
  std::vector<servin::Fd> sockets;
  for (int fd = first; fd < first + static_cast<int>(*ports); ++fd)
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) sockets.emplace_back(fd);
  ::close_range(static_cast<unsigned>(first) + static_cast<unsigned>(*ports), ~0U, 0);
  servin::shim::RuntimeLauncher namespaces(false);
  servin::shim::RuntimeLauncher host(true);
  return servin::shim::serve(servin::Fd(servin::shim::spawner_descriptor), std::move(sockets), namespaces, host);
}
