// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/launch_child.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "linux/process.h"
#include "runtime/linux/init_record.h"
#include "runtime/linux/rootfs.h"

namespace servin::runtime {
namespace {

class Child {
 public:
  Child(const ChildSetup& setup, Handshake& handshake)
      : setup_(setup), plan_(*setup.plan), handshake_(handshake), root_(*setup.plan) {}

  void run() {
    detach();
    join_cgroups();
    set_oom_score();
    enter_namespaces();
    build_root();
    open_stdio();
    User user = find_user();
    root_.make_working_dir(plan_.cwd);
    own_stdio(user);
    root_.enter();
    Fd record = make_record(user);
    wait_for_listener();
    start(record);
  }

 private:
  void detach() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    kernel::forbid_dump();
    ::setsid();
    ::umask(0);  // modes of devices and mount points are what we say
  }

  // Before the cgroup namespace is unshared: its root is the cgroup that we are in at that moment.
  void join_cgroups() {
    for (const auto& door : setup_.doors->tasks) write_all(door, "0", "cgroup tasks");
  }

  void set_oom_score() {
    if (!plan_.has_oom_score_adj) return;
    Fd file = open_file("/proc/self/oom_score_adj", O_WRONLY);
    write_all(file, std::to_string(plan_.oom_score_adj), "oom_score_adj");
  }

  void enter_namespaces() {
    for (const auto& [flag, fd] : setup_.joins)
      if (flag != CLONE_NEWPID) kernel::join_namespaces(fd, static_cast<int>(flag), "a namespace");
    if (plan_.new_namespace(CLONE_NEWCGROUP)) kernel::unshare_namespaces(CLONE_NEWCGROUP, "the cgroup namespace");
    if (plan_.new_namespace(CLONE_NEWNET)) kernel::bring_up_loopback();
    if (!plan_.hostname.empty() && ::sethostname(plan_.hostname.data(), plan_.hostname.size()) != 0)
      throw_errno("set the host name {}", plan_.hostname);
    if (!plan_.domainname.empty() && ::setdomainname(plan_.domainname.data(), plan_.domainname.size()) != 0)
      throw_errno("set the domain name {}", plan_.domainname);
  }

  void build_root() {
    root_.mount_root();
    check_donors(plan_);  // of mounts
    root_.copy_up_volumes();
    root_.mount_all();
    root_.protect();
  }

  void open_stdio() {
    if (setup_.options->terminal) {
      Fd master = root_.open_terminal(slave_, setup_.options->rows, setup_.options->columns);
      handshake_.send_terminal(master);
    } else if (!setup_.options->open_stdin) {
      null_ = root_.open_null(O_RDONLY);
    }
  }

  User find_user() {
    if (!plan_.user.empty() || plan_.gids.empty()) {
      std::string text = plan_.user.empty() && (plan_.uid != 0 || plan_.gid != 0)
                             ? std::to_string(plan_.uid) + ":" + std::to_string(plan_.gid)
                             : plan_.user;
      return resolve_user_in(root_.root(), text, plan_.groups);
    }
    User user;
    user.uid = plan_.uid;
    user.gid = plan_.gid;
    user.gids = plan_.gids;
    return user;
  }

  int stdio(int number) const {
    if (slave_) return slave_.get();
    if (number == 0) return null_ ? null_.get() : setup_.in.get();
    return number == 1 ? setup_.out.get() : setup_.err.get();
  }

  // So that the user can open /dev/stdout again. Never the null device, which belongs to root.
  void own_stdio(const User& user) {
    for (int i = 0; i < 3; ++i) {
      if (i == 0 && null_) continue;
      if (::fchown(stdio(i), user.uid, static_cast<gid_t>(-1)) != 0 && errno != EPERM && errno != EINVAL)
        throw_errno("give the streams to the user");
    }
  }

  Fd make_record(const User& user) {
    InitRecord r = process_record(plan_, user, plan_.args, plan_.env, plan_.cwd);
    r.header.mode = plan_.init ? init::Mode::pid1 : init::Mode::run;
    r.header.terminal = slave_ ? 1 : 0;
    r.header.new_session = 0;  // detach() did
    r.header.die_with_parent = 1;
    r.header.next_number = handshake_.next_number() + (setup_.options->listener != nullptr ? 1 : 0);
    return make_memfd("servin-record", r.bytes(), false);
  }

  void wait_for_listener() {
    if (setup_.options->listener == nullptr) return;
    handshake_.send_ready();
    if (!handshake_.wait_for_go()) ::_exit(125);
  }

  void start(const Fd& record) {
    int fds[5] = {stdio(0), stdio(1), stdio(2), handshake_.socket().get(), record.get()};
    execute_init(setup_.init.get(), fds, 5);
    throw_errno("execute servin-init");
  }

  const ChildSetup& setup_;
  const LaunchPlan& plan_;
  Handshake& handshake_;
  RootBuilder root_;
  Fd slave_, null_;
};

}  // namespace

void check_donors(const LaunchPlan& plan) {
  for (const auto& donor : plan.donors)
    if (!is_alive(ProcessId{donor.pid, donor.start}))
      throw error(ErrorCode::conflict, "the container whose namespaces were to be joined has ended (pid {})", donor.pid)
          .with_id("E-NOT-RUNNING")
          .with_hint("start that one first");
}

void run_child(const ChildSetup& setup, Handshake& handshake) {
  try {
    Child(setup, handshake).run();
  } catch (const Error& e) {
    try {
      handshake.send_error(e);
    } catch (const Error&) {
      // Nobody is left to tell.
    }
  } catch (const std::exception& e) {
    try {
      handshake.send_error(Error(ErrorCode::internal, e.what()));
    } catch (const Error&) {
      // As above.
    }
  }
  ::_exit(125);
}

}  // namespace servin::runtime
