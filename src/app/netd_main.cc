// SPDX-License-Identifier: Apache-2.0
// servin-netd DIR: the resolver of one user-defined network. Started by servin only, which passes descriptors 3 and 4.
#include <fcntl.h>
#include <unistd.h>

#include "network/dns/netd.h"

int main(int argc, char** argv) {
  using namespace servin;
  bool given = ::fcntl(dns::ready_descriptor, F_SETFD, FD_CLOEXEC) == 0 &&
               ::fcntl(dns::lock_descriptor, F_SETFD, FD_CLOEXEC) == 0;
  if (argc != 2 || argv[1][0] != '/' || !given) {
    constexpr char text[] = "servin-netd is started by servin for each network; it is no command of its own\n";
    [[maybe_unused]] auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
    return 125;
  }
  // Whatever else the caller of servin left open: a pipe that we kept would never end for its reader.
  ::close_range(dns::lock_descriptor + 1, ~0U, 0);
  return dns::run_netd(argv[1], Fd(dns::ready_descriptor), Fd(dns::lock_descriptor));
}
