// SPDX-License-Identifier: Apache-2.0
#include "linux/net_namespace.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "linux/process.h"
#include "os/file.h"

namespace servin::kernel {
namespace {

const char* const current = "/proc/thread-self/ns/net";

class Home {
 public:
  Home() : fd_(open_file(current, O_RDONLY)) {}
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  ~Home() {
    if (::setns(fd_.get(), CLONE_NEWNET) == 0) return;
    // Whatever this process did next would happen to a container's network instead of the host's.
    log::warn("cannot return to the host's network");
    std::abort();
  }

 private:
  Fd fd_;
};

}  // namespace

Fd make_net_namespace() {
  Home home;
  unshare_namespaces(CLONE_NEWNET, "network namespace");
  bring_up_loopback();
  return open_file(current, O_RDONLY);
}

Fd open_net_namespace(const std::string& path) { return open_file(path, O_RDONLY); }

void in_net_namespace(const Fd& space, const std::function<void()>& work) {
  Home home;
  join_namespaces(space, CLONE_NEWNET, "network namespace");
  work();
}

bool write_net_sysctl(const std::string& name, std::string_view value) {
  std::string path = "/proc/sys/net/" + name;
  if (!path_exists(path)) return false;
  Fd fd = open_file(path, O_WRONLY);
  write_all(fd, value, path);
  return true;
}

std::string read_net_sysctl(const std::string& name) {
  return std::string(trim(read_file("/proc/sys/net/" + name).value_or("")));
}

}  // namespace servin::kernel
