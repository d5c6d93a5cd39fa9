// SPDX-License-Identifier: Apache-2.0
// servin-netd DIR: the resolver of one user-defined network. Started by servin only, which passes descriptors 3 and 4.
// servin-netd forward TARGET...: the carrier of a container's published ports (network/forward/forward.h).
#include <fcntl.h>
#include <unistd.h>

#include "network/dns/netd.h"
#include "network/forward/forward.h"

namespace {

int forward(int count, char** targets) {
  using namespace servin;
  std::vector<network::Forward> forwards;
  for (int i = 0; i < count; ++i) {
    int fd = network::first_socket + i;
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return 125;
    forwards.push_back({Fd(fd), targets[i]});
  }
  ::close_range(static_cast<unsigned>(network::first_socket + count), ~0U, 0);
  return network::run_forward(std::move(forwards));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace servin;
  if (argc > 2 && std::string_view(argv[1]) == "forward") return forward(argc - 2, argv + 2);
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
