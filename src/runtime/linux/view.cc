// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/view.h"

#include <fcntl.h>
#include <functional>
#include <sched.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/error_record.h"
#include "linux/mounts.h"
#include "linux/process.h"
#include "runtime/linux/overlay.h"
#include "runtime/linux/rootfs.h"

namespace servin::runtime {
namespace {

constexpr std::uint64_t ms_private = 1 << 18;
constexpr std::uint64_t attribute_read_only = 1;  // MOUNT_ATTR_RDONLY

Error not_running() { return Error(ErrorCode::conflict, "the container is not running").with_id("E-NOT-RUNNING"); }

[[noreturn]] void answer(const Fd& socket, const std::function<View()>& work) {
  try {
    View view = work();
    const Fd* fds[] = {&view.root, &view.names};
    send_with_fds(socket, "+", fds, view.names ? 2 : 1);
  } catch (const Error& e) {
    std::string record = "-" + encode_error(e);
    (void)!::send(socket.get(), record.data(), record.size(), MSG_NOSIGNAL);
  } catch (...) {
    // Memory: the asker sees the socket close.
  }
  ::_exit(0);
}

// What `work` returns in a child, which may change its namespaces as it likes.
View in_child(std::uint64_t flags, const std::function<View()>& work) {
  SocketPair pair = make_socket_pair(SOCK_SEQPACKET);
  kernel::CloneResult child = kernel::clone_process(flags, nullptr);
  if (child.pid == 0) answer(pair.b, work);
  pair.b.reset();
  Received reply = receive_with_fds(pair.a, 64U << 10U);
  wait_child(child.pid);
  if (reply.data.starts_with('-')) throw decode_error(std::string_view(reply.data).substr(1));
  if (reply.fd_count == 0) throw Error(ErrorCode::internal, "the process that puts a view together was killed");
  return {std::move(reply.fds[0]), std::move(reply.fds[1])};
}

Fd own_names() { return open_file("/proc/self/ns/mnt", O_RDONLY); }

// The upper folder becomes the topmost of the lower ones; above it lies one in memory. The kernel takes upper folders
// only from mounts of this namespace.
void put_memory_above(LaunchPlan& plan) {
  kernel::FsContext fs("tmpfs");
  fs.set("mode", "0755");
  kernel::attach_mount(fs.mount(0), open_file(plan.mount_point, O_PATH | O_DIRECTORY), plan.mount_point);
  plan.lowers.insert(plan.lowers.begin(), plan.upper);
  plan.upper = plan.mount_point + "/upper";
  plan.work = plan.mount_point + "/work";
  struct stat st{};
  if (::stat(plan.lowers.front().c_str(), &st) != 0) throw_errno("look at {}", plan.lowers.front());
  for (const auto& dir : {plan.upper, plan.work})
    if (::mkdir(dir.c_str(), 0755) != 0) throw_errno("make folder {}", dir);
  // The merged root's attributes are the upper folder's.
  if (::chown(plan.upper.c_str(), st.st_uid, st.st_gid) != 0 || ::chmod(plan.upper.c_str(), st.st_mode & 07777U) != 0)
    throw_errno("set the owner and mode of {}", plan.upper);
}

}  // namespace

View view_running(const ProcessId& process) {
  Fd root(::open(fmt::format("/proc/{}/root", process.pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // The pid may have become somebody else's between the caller's look and ours.
  if (!root || !is_alive(process)) throw not_running();
  return {std::move(root), Fd()};
}

// A mount can be copied only from inside of its own mount namespace.
View view_running_root(const ProcessId& process) {
  return in_child(0, [&] {
    Fd there = open_file(fmt::format("/proc/{}/ns/mnt", process.pid), O_RDONLY);
    if (!is_alive(process)) throw not_running();
    kernel::join_namespaces(there, CLONE_NEWNS, "the container's mounts");
    return View{kernel::clone_mount(open_file("/", O_PATH | O_DIRECTORY), false), Fd()};
  });
}

View view_stopped(const LaunchPlan& wanted, ViewMode mode) {
  return in_child(CLONE_NEWNS, [&] {
    LaunchPlan plan = wanted;
    kernel::set_propagation("/", ms_private);
    if (mode == ViewMode::read) put_memory_above(plan);
    RootBuilder builder(plan);
    builder.mount_root();
    builder.copy_up_volumes();
    builder.mount_all();
    if (plan.root_readonly) kernel::set_mount_attributes(builder.root(), attribute_read_only, 0, 0, false);
    return View{builder.root().dup(), own_names()};
  });
}

View view_layers(const std::vector<std::string>& lowers, const std::string& mount_point) {
  if (lowers.size() == 1) return {open_file(lowers[0], O_PATH | O_DIRECTORY), Fd()};
  return in_child(CLONE_NEWNS, [&] {
    kernel::set_propagation("/", ms_private);
    LaunchPlan plan;
    plan.lowers = lowers;
    plan.mount_point = mount_point;
    Fd mount = mount_overlay(plan);
    if (mount) kernel::attach_mount(mount, open_file(mount_point, O_PATH | O_DIRECTORY), mount_point);
    return View{open_file(mount_point, O_PATH | O_DIRECTORY), own_names()};
  });
}

}  // namespace servin::runtime
