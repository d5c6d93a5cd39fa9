// SPDX-License-Identifier: Apache-2.0
#include "linux/id_map.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/process.h"

namespace servin::kernel {

std::string swapped_ids(std::uint32_t on_disk, std::uint32_t shown) {
  constexpr std::uint64_t all = 0xffffffffU;  // 2^32 - 1 is no id
  std::uint64_t low = std::min(on_disk, shown), high = std::max(on_disk, shown);
  std::string text;
  auto add = [&](std::uint64_t inside, std::uint64_t outside, std::uint64_t count) {
    if (count > 0) text += fmt::format("{} {} {}\n", inside, outside, count);
  };
  add(0, 0, low);
  if (low != high) {
    add(low, high, 1);
    add(low + 1, low + 1, high - low - 1);
    add(high, low, 1);
  } else {
    add(low, low, 1);
  }
  add(high + 1, high + 1, all - high - 1);
  return text;
}

namespace {

// In the new namespace: says which number it has in the /proc that both see, and stays until the other end closes.
[[noreturn]] void wait_inside(Pipe& number, Pipe& end) {
  end.write.reset();
  char text[32] = {};
  ssize_t n = ::readlink("/proc/self", text, sizeof text - 1);
  if (n > 0) [[maybe_unused]]
    ssize_t written = ::write(number.write.get(), text, static_cast<std::size_t>(n));
  number.write.reset();
  char byte = 0;
  while (::read(end.read.get(), &byte, 1) < 0 && errno == EINTR) {
  }
  ::_exit(0);
}

}  // namespace

Fd make_user_namespace(const std::string& uid_map, const std::string& gid_map) {
  Pipe number = make_pipe(), end = make_pipe();
  CloneResult child = clone_process(CLONE_NEWUSER, nullptr);
  if (child.pid == 0) wait_inside(number, end);
  number.write.reset();
  end.read.reset();
  struct Reaper {
    Pipe& end;
    pid_t pid;
    ~Reaper() {
      end.write.reset();
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  } reaper{end, child.pid};
  std::string dir = "/proc/" + read_all(number.read, 32, "a user namespace");
  write_all(open_file(dir + "/uid_map", O_WRONLY), uid_map, "uid_map");
  write_all(open_file(dir + "/gid_map", O_WRONLY), gid_map, "gid_map");
  return open_file(dir + "/ns/user", O_RDONLY);
}

void map_ids(const Fd& mount, const Fd& user_namespace, const std::string& what) {
  struct {
    std::uint64_t set, clear, propagation, userns;
  } attributes{0x00100000 /* MOUNT_ATTR_IDMAP */, 0, 0, static_cast<std::uint64_t>(user_namespace.get())};
  if (::syscall(SYS_mount_setattr, mount.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return;
  throw errno_error(errno, fmt::format("map the ids of {}", what))
      .with_id("E-MOUNT-IDMAP")
      .with_hint(
          "this kernel or the source's file system cannot; leave U out and give the files to the user: chown -R");
}

}  // namespace servin::kernel
