// SPDX-License-Identifier: Apache-2.0
// /dev: a tmpfs that is filled while it is still attached nowhere, so that nothing of the image or of a shared volume
// can come between (CVE-2026-41579: default devices made through a /dev that is a link).
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/strings.h"
#include "linux/mounts.h"
#include "os/path_open.h"
#include "runtime/linux/rootfs.h"

namespace servin::runtime {
namespace {

struct DefaultDevice {
  const char* name;
  unsigned major, minor;
};
constexpr std::array<DefaultDevice, 6> default_devices = {
    {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}};

struct Link {
  const char *name, *target;
};
constexpr std::array<Link, 6> links = {{{"fd", "/proc/self/fd"},
                                        {"stdin", "/proc/self/fd/0"},
                                        {"stdout", "/proc/self/fd/1"},
                                        {"stderr", "/proc/self/fd/2"},
                                        {"ptmx", "pts/ptmx"},
                                        {"core", "/proc/kcore"}}};

// Where mknod is not allowed (no CAP_MKNOD, a device cgroup above us) the host's node is bound over an empty file.
void bind_host_device(const Fd& dir, const std::string& name, const DevicePlan& device) {
  std::string host = device.path;
  Fd source(::open(host.c_str(), O_PATH | O_CLOEXEC));
  struct stat st{};
  bool right = source && ::fstat(source.get(), &st) == 0 && (st.st_mode & S_IFMT) == (device.mode & S_IFMT) &&
               st.st_rdev == gnu_dev_makedev(device.major, device.minor);
  if (!right) throw error(ErrorCode::permission_denied, "device {} can neither be made nor bound", quoted(host));
  open_at(dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NONBLOCK, 0644);
  Fd target = open_at(dir, name, O_PATH);
  kernel::attach_mount(kernel::clone_mount(source, false), target, host);
}

bool is_device(const Fd& dir, const std::string& name, const DevicePlan& device) {
  struct stat st{};
  return ::fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         (st.st_mode & S_IFMT) == (device.mode & S_IFMT) && st.st_rdev == gnu_dev_makedev(device.major, device.minor);
}

DevicePlan plan_of(const DefaultDevice& d) {
  return {std::string("/dev/") + d.name, S_IFCHR | 0666U, d.major, d.minor, 0, 0};
}

}  // namespace

void RootBuilder::make_device(const Fd& dir, const std::string& path, const DevicePlan& device) {
  auto slash = path.rfind('/');
  Fd parent = slash == std::string::npos || slash == 0 ? Fd() : make_dirs_in_root(dir, path.substr(0, slash), 0755);
  std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  const Fd& where = parent ? parent : dir;
  dev_t number = gnu_dev_makedev(device.major, device.minor);
  if (::mknodat(where.get(), name.c_str(), device.mode, number) != 0) {
    // Asked for twice, or a default one asked for by name: once is enough.
    if (errno == EEXIST && is_device(where, name, device)) return;
    if (errno == EEXIST) throw error(ErrorCode::already_exists, "{} is another file already", quoted(device.path));
    if (errno != EPERM) throw_errno("make device {}", quoted(device.path));
    bind_host_device(where, name, device);
    return;
  }
  if (::fchownat(where.get(), name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("set the owner of device {}", quoted(device.path));
}

void RootBuilder::mount_dev(const MountPlan& m) {
  kernel::FsContext fs("tmpfs");
  for (const auto& o : m.options) o.value.empty() ? fs.set_flag(o.key) : fs.set(o.key, o.value);
  dev_ = fs.mount(m.set);
  Fd target = real_folder(m.target);
  if (plan_.dev_defaults) {
    for (const auto& d : default_devices) make_device(dev_, d.name, plan_of(d));
    for (const auto& l : links)
      if (::symlinkat(l.target, dev_.get(), l.name) != 0) throw_errno("make the link /dev/{}", l.name);
  }
  for (const auto& d : plan_.devices)
    if (d.path.starts_with("/dev/")) make_device(dev_, d.path.substr(5), d);
  kernel::attach_mount(dev_, target, m.target);
}

Fd RootBuilder::open_terminal(Fd& slave, std::uint16_t rows, std::uint16_t columns) {
  Fd master = open_in_root(root_, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  struct stat st{};
  bool real = kernel::filesystem_magic(master) == DEVPTS_SUPER_MAGIC && ::fstat(master.get(), &st) == 0 &&
              S_ISCHR(st.st_mode) && st.st_rdev == gnu_dev_makedev(5, 2);
  if (!real) throw Error(ErrorCode::permission_denied, "/dev/pts/ptmx of the container is no terminal multiplexer");
  int unlock = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlock) != 0) throw_errno("unlock the terminal");
  // By descriptor: the name /dev/pts/N could be another file by now (CVE-2025-52565).
  slave = Fd(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) throw_errno("open the terminal");
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  if (rows != 0) ::ioctl(master.get(), TIOCSWINSZ, &size);
  if (dev_) {
    open_at(dev_, "console", O_RDONLY | O_CREAT | O_EXCL, 0600);
    kernel::attach_mount(kernel::clone_mount(slave, false), open_at(dev_, "console", O_PATH), "/dev/console");
  }
  return master;
}

Fd RootBuilder::open_null(int flags) {
  Fd fd = dev_ && plan_.dev_defaults ? open_at(dev_, "null", flags) : open_file("/dev/null", flags);
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != gnu_dev_makedev(1, 3))
    throw Error(ErrorCode::permission_denied, "/dev/null is not the null device");
  return fd;
}

}  // namespace servin::runtime
