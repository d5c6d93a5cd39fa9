// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor. Interfaces pass Fd or const Fd&; every descriptor is close-on-exec from birth.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace servin {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int raw) : raw_(raw) {}
  Fd(Fd&& other) noexcept : raw_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }

  bool is_open() const { return raw_ >= 0; }
  explicit operator bool() const { return is_open(); }
  /// For system calls only.
  int get() const { return raw_; }
  int release() { return std::exchange(raw_, -1); }
  void reset(int raw = -1);
  /// A second descriptor for the same open file. Throws Error.
  Fd dup() const;

 private:
  int raw_ = -1;
};

/// open(2) with O_CLOEXEC added; throws Error "open PATH: ...".
Fd open_file(const std::string& path, int flags, unsigned mode = 0600);
/// openat(2) with O_CLOEXEC | O_NOFOLLOW added: `name` is one component, or a path whose parents are trusted.
Fd open_at(const Fd& dir, const std::string& name, int flags, unsigned mode = 0600);

struct Pipe {
  Fd read;
  Fd write;
};
Pipe make_pipe();
/// Two connected ends of a SOCK_SEQPACKET unix socket pair.
struct SocketPair {
  Fd a;
  Fd b;
};
SocketPair make_socket_pair(int type);

/// Until `size` bytes are written (EINTR and short writes handled). Throws Error "write NAME: ...".
void write_all(const Fd& fd, std::string_view data, std::string_view name);
/// One read(2), EINTR handled; 0 at the end.
std::size_t read_some(const Fd& fd, void* buffer, std::size_t size, std::string_view name);
/// Everything to the end; throws resource_exhausted beyond `limit` bytes.
std::string read_all(const Fd& fd, std::size_t limit, std::string_view name);

/// memfd_create(2) with the bytes in it, rewound. `sealed`: nobody can change it again (exec from it is allowed).
Fd make_memfd(const std::string& name, std::string_view content, bool sealed);

/// Sends bytes and descriptors (at most 16) as one message over a unix socket; MSG_NOSIGNAL.
void send_with_fds(const Fd& socket, std::string_view data, const Fd* const* fds, std::size_t count);
struct Received {
  std::string data;  // empty at the end of the stream
  Fd fds[16];
  std::size_t fd_count = 0;
};
Received receive_with_fds(const Fd& socket, std::size_t limit);

}  // namespace servin
