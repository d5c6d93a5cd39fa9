// SPDX-License-Identifier: Apache-2.0
#include "shim/shim_fixture.h"

#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/wait.h>

#include "os/file.h"
#include "runtime/host/launch.h"
#include "runtime/host/plan.h"
#include "shim/client/protocol.h"
#include "shim/shim.h"

namespace servin::shim {
namespace {

class HostLauncher : public Launcher {
 public:
  runtime::Launched launch(const std::string& plan, const SpawnRequest& q) override {
    return runtime::launch_on_host(plan, {q.terminal, q.open_stdin, q.rows, q.columns});
  }
  bool oom_killed(const std::string&) override { return false; }
  void clean_up(const std::string&) override {}
};

void wait_readable(const Fd& fd) {
  pollfd p{fd.get(), POLLIN, 0};
  ::poll(&p, 1, 60'000);
}

}  // namespace

ShimTest::ShimTest() {
  char name[] = "/tmp/servin-shim-test-XXXXXX";
  dir_ = ::mkdtemp(name);
  log_ = dir_ + "/log";
}

ShimTest::~ShimTest() {
  if (shim_ > 0) {
    ::kill(shim_, SIGKILL);
    wait_shim();
  }
  remove_tree(dir_);
}

void ShimTest::wait_shim() {
  if (shim_ > 0) ::waitpid(shim_, nullptr, 0);
  shim_ = 0;
}

Client ShimTest::run(const std::string& script, const std::function<void(SpawnRequest&)>& change) {
  return run_args({"/bin/sh", "-c", script}, change);
}

Client ShimTest::run_args(const std::vector<std::string>& args, const std::function<void(SpawnRequest&)>& change) {
  runtime::HostPlan plan;
  plan.id = dir_;
  plan.args = args;
  plan.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"};
  SpawnRequest request;
  request.id = "test";
  request.run_dir = dir_;
  request.host_runtime = true;
  request.attached = true;
  request.log.path = log_;
  if (change) change(request);
  write_file(dir_ + "/" + plan_name, plan.bytes());
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
  shim_ = ::fork();
  if (shim_ == 0) {
    pair.a.reset();
    ::setsid();
    HostLauncher launcher;
    ::_exit(serve(std::move(pair.b), {}, launcher, launcher));
  }
  pair.b.reset();
  return Client::start(std::move(pair.a), request);
}

ShimTest::Ending ShimTest::finish(Client& client) {
  Ending e;
  while (!client.closed()) {
    while (auto f = client.next()) {
      EXPECT_FALSE(e.exited) << "a frame after the exit";
      if (f->kind == Client::Kind::out) e.out += f->bytes;
      if (f->kind == Client::Kind::err) e.err += f->bytes;
      if (f->kind == Client::Kind::exited) {
        e.exited = true;
        e.status = f->status;
      }
    }
    if (!client.closed()) wait_readable(client.poll_fd());
  }
  return e;
}

Client::Frame ShimTest::next(Client& client) {
  for (;;) {
    if (auto f = client.next()) return *f;
    if (client.closed()) {
      ADD_FAILURE() << "the connection ended";
      return {};
    }
    wait_readable(client.poll_fd());
  }
}

void ShimTest::read_until(Client& client, const std::string& text) {
  std::string seen;
  while (seen.find(text) == std::string::npos && !client.closed()) seen += next(client).bytes;
}

}  // namespace servin::shim
