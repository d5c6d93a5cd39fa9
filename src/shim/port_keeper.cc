// SPDX-License-Identifier: Apache-2.0
#include "shim/port_keeper.h"

#include <csignal>

#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/error.h"
#include "os/process.h"

namespace servin::shim {
namespace {

constexpr int first_socket = 3;  // network/forward/forward.h

}  // namespace

PortKeeper::PortKeeper(std::vector<Fd> sockets, std::vector<std::string> targets)
    : sockets_(std::move(sockets)), targets_(std::move(targets)) {
  targets_.resize(sockets_.size());
  if (sockets_.empty()) return;
  arrivals_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!arrivals_) throw_errno("watch published ports");
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (!targets_[i].empty()) ::epoll_ctl(arrivals_.get(), EPOLL_CTL_ADD, sockets_[i].get(), &event);
  }
}

void PortKeeper::start_carrier() {
  SpawnOptions options;
  options.args = {"servin-netd", "forward"};
  options.cwd = "/";
  int number = first_socket;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (targets_[i].empty()) continue;
    options.args.push_back(targets_[i]);
    options.fds.emplace_back(&sockets_[i], number++);
  }
  try {
    options.program = companion_program("servin-netd");
    carrier_ = spawn(options);
  } catch (const Error&) {
    broken_ = true;  // what the kernel forwards goes on
  }
}

void PortKeeper::carrier_ended(int status) {
  carrier_ = 0;
  broken_ = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

void PortKeeper::close() {
  if (carrier_ > 0) {
    ::kill(carrier_, SIGKILL);
    ::waitpid(carrier_, nullptr, 0);
    carrier_ = 0;
  }
  sockets_.clear();
  arrivals_.reset();
}

}  // namespace servin::shim
