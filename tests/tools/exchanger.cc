// SPDX-License-Identifier: Apache-2.0
// exchanger: the attacker of the race tests. Swaps two names again and again with renameat2(RENAME_EXCHANGE), as a
// process inside a container does with a folder and a symlink in a volume that it shares with the victim.
//
//   exchanger FOLDER NAME OTHER
//
// Prints "ready" once swapping has begun; ends at the end of its stdin and prints how often it swapped.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sys/syscall.h>

namespace {
constexpr unsigned int rename_exchange = 2;
constexpr int swaps_between_looks = 256;

bool input_ended() {
  pollfd input{0, POLLIN, 0};
  return ::poll(&input, 1, 0) > 0;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: exchanger FOLDER NAME OTHER\n");
    return 2;
  }
  const int folder = ::open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    std::fprintf(stderr, "exchanger: %s: %s\n", argv[1], std::strerror(errno));
    return 1;
  }
  unsigned long done = 0;
  unsigned long missed = 0;
  bool told = false;
  do {
    for (int i = 0; i < swaps_between_looks; ++i) {
      const bool swapped = ::syscall(SYS_renameat2, folder, argv[2], folder, argv[3], rename_exchange) == 0;
      ++(swapped ? done : missed);
    }
    if (!told && done > 0) {
      told = true;
      std::puts("ready");
      std::fflush(stdout);
    }
  } while (!input_ended());
  std::printf("swapped=%lu missed=%lu\n", done, missed);
  return 0;
}
