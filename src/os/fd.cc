// SPDX-License-Identifier: Apache-2.0
#include "os/fd.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"

namespace servin {

void Fd::reset(int raw) {
  // Not retried on EINTR: Linux has closed it by then, and another thread may own the number already.
  if (raw_ >= 0) ::close(raw_);
  raw_ = raw;
}

Fd Fd::dup() const {
  int copy = ::fcntl(raw_, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw_errno("duplicate a file descriptor");
  return Fd(copy);
}

Fd open_file(const std::string& path, int flags, unsigned mode) {
  int fd = -1;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("open {}", path);
  return Fd(fd);
}

Fd open_at(const Fd& dir, const std::string& name, int flags, unsigned mode) {
  int fd = -1;
  do fd = ::openat(dir.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw_errno("open {}", name);
  return Fd(fd);
}

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("make a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

SocketPair make_socket_pair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("make a socket pair");
  return {Fd(ends[0]), Fd(ends[1])};
}

void write_all(const Fd& fd, std::string_view data, std::string_view name) {
  while (!data.empty()) {
    ssize_t n = ::write(fd.get(), data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno("write {}", name);
    }
    data.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::size_t read_some(const Fd& fd, void* buffer, std::size_t size, std::string_view name) {
  for (;;) {
    ssize_t n = ::read(fd.get(), buffer, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_errno("read {}", name);
  }
}

std::string read_all(const Fd& fd, std::size_t limit, std::string_view name) {
  std::string out;
  char buffer[16384];
  while (std::size_t n = read_some(fd, buffer, sizeof buffer, name)) {
    if (out.size() + n > limit) throw error(ErrorCode::resource_exhausted, "{} is larger than {} bytes", name, limit);
    out.append(buffer, n);
  }
  return out;
}

Fd make_memfd(const std::string& name, std::string_view content, bool sealed) {
  unsigned flags = MFD_CLOEXEC | (sealed ? MFD_ALLOW_SEALING : 0U);
  // MFD_EXEC (Linux 6.3): say that it is meant to be run, so that vm.memfd_noexec=1 does not take the bit away.
  constexpr unsigned mfd_exec = 0x0010U;
  int fd = ::memfd_create(name.c_str(), flags | (sealed ? mfd_exec : 0U));
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name.c_str(), flags);
  if (fd < 0) throw_errno("make a memory file for {}", name);
  Fd out(fd);
  write_all(out, content, name);
  if (::lseek(fd, 0, SEEK_SET) != 0) throw_errno("rewind {}", name);
  if (sealed && ::fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    throw_errno("seal {}", name);
  return out;
}

void send_with_fds(const Fd& socket, std::string_view data, const Fd* const* fds, std::size_t count) {
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
  iovec part{const_cast<char*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    int raw[16];
    for (std::size_t i = 0; i < count; ++i) raw[i] = fds[i]->get();
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), raw, count * sizeof(int));
  }
  ssize_t n = -1;
  do n = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("send a message");
  // On a stream socket the rest of a long message follows without descriptors.
  if (static_cast<std::size_t>(n) < data.size())
    write_all(socket, data.substr(static_cast<std::size_t>(n)), "a socket");
}

Received receive_with_fds(const Fd& socket, std::size_t limit) {
  Received out;
  out.data.resize(limit);
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
  iovec part{out.data.data(), limit};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = -1;
  do n = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) throw_errno("receive a message");
  out.data.resize(static_cast<std::size_t>(n));
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int raw = -1;
      std::memcpy(&raw, CMSG_DATA(h) + i * sizeof(int), sizeof raw);
      if (out.fd_count < 16) out.fds[out.fd_count++] = Fd(raw);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    throw error(ErrorCode::data_loss, "message is longer than {} bytes", limit);
  return out;
}

}  // namespace servin
