// SPDX-License-Identifier: Apache-2.0
#include "linux/mounts.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/error.h"
#include "base/strings.h"

// glibc 2.36 declares some of these and linux/mount.h collides with it: the calls are made by number.
namespace servin::kernel {
namespace {

constexpr unsigned open_tree_clone = 1;
constexpr unsigned at_recursive = 0x8000;
constexpr unsigned move_from_empty_path = 0x4;
constexpr unsigned move_to_empty_path = 0x40;
constexpr unsigned config_flag = 0;
constexpr unsigned config_string = 1;
constexpr unsigned config_create = 6;

struct MountAttributes {
  std::uint64_t set, clear, propagation, userns;
};

}  // namespace

Fd clone_mount(const Fd& at, bool recursive) {
  unsigned flags = open_tree_clone | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? at_recursive : 0U);
  auto raw = static_cast<int>(::syscall(SYS_open_tree, at.get(), "", flags));
  if (raw < 0) throw_errno("copy a mount");
  return Fd(raw);
}

void attach_mount(const Fd& mount, const Fd& target, const std::string& what) {
  long rc = ::syscall(SYS_move_mount, mount.get(), "", target.get(), "", move_from_empty_path | move_to_empty_path);
  if (rc != 0) throw_errno("mount onto {}", what);
}

void set_mount_attributes(const Fd& mount, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          bool recursive) {
  MountAttributes attr{set, clear, propagation, 0};
  unsigned flags = AT_EMPTY_PATH | (recursive ? at_recursive : 0U);
  if (::syscall(SYS_mount_setattr, mount.get(), "", flags, &attr, sizeof attr) != 0)
    throw_errno("set the attributes of a mount");
}

void set_propagation(const char* path, std::uint64_t propagation) {
  if (::mount(nullptr, path, nullptr, MS_REC | propagation, nullptr) != 0)
    throw_errno("set the propagation of mounts below {}", path);
}

std::uint64_t filesystem_magic(const Fd& fd) {
  struct statfs st{};
  if (::fstatfs(fd.get(), &st) != 0) throw_errno("look at a file system");
  return static_cast<std::uint64_t>(st.f_type);
}

FsContext::FsContext(const std::string& type) : type_(type) {
  fd_.reset(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), 1U /* FSOPEN_CLOEXEC */)));
  if (!fd_) throw_errno("file system {}", type);
}

void FsContext::fail(const std::string& what, int err) const {
  // The kernel explains itself in messages "e text", "w text" that are read from the context.
  std::string text;
  char buffer[512];
  ssize_t n = 0;
  while ((n = ::read(fd_.get(), buffer, sizeof buffer)) > 0) {
    std::string_view line(buffer, static_cast<std::size_t>(n));
    if (line.size() > 2) text += (text.empty() ? "" : "; ") + printable(trim(line.substr(2)));
  }
  std::string where = fmt::format("file system {}: {}", type_, what);
  throw errno_error(err, text.empty() ? where : fmt::format("{} ({})", where, text));
}

bool FsContext::try_set(const std::string& key, const std::string& value) {
  if (::syscall(SYS_fsconfig, fd_.get(), config_string, key.c_str(), value.c_str(), 0) == 0) return true;
  if (errno == EINVAL) return false;
  fail(fmt::format("option {}={}", key, value), errno);
}

void FsContext::set(const std::string& key, const std::string& value) {
  if (!try_set(key, value)) fail(fmt::format("option {}={}", key, value), EINVAL);
}

void FsContext::set_flag(const std::string& key) {
  if (::syscall(SYS_fsconfig, fd_.get(), config_flag, key.c_str(), nullptr, 0) != 0) fail("option " + key, errno);
}

Fd FsContext::mount(std::uint64_t attributes) {
  // What df and mount show in their first column; without it that is "none". Nothing depends on it, so a refusal is
  // none.
  ::syscall(SYS_fsconfig, fd_.get(), config_string, "source", type_.c_str(), 0);
  if (::syscall(SYS_fsconfig, fd_.get(), config_create, nullptr, nullptr, 0) != 0) fail("create", errno);
  auto raw = static_cast<int>(::syscall(SYS_fsmount, fd_.get(), 1U /* FSMOUNT_CLOEXEC */, attributes));
  if (raw < 0) fail("mount", errno);
  return Fd(raw);
}

}  // namespace servin::kernel
