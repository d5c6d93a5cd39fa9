// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "runtime/linux/seccomp_compiler.h"
#include "runtime/linux/seccomp_profile.h"

namespace servin::runtime {
namespace {

// CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP: what nearly every
// container has. A test compares it with default_capabilities().
constexpr std::uint64_t usual_caps =
    1U << 0 | 1U << 1 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 10 | 1U << 18 | 1U << 31;

constexpr std::size_t usual_size = compile_default(usual_caps).size();
constexpr std::array<sock_filter, usual_size> usual = [] {
  std::array<sock_filter, usual_size> out{};
  auto filter = compile_default(usual_caps);
  std::copy(filter.begin(), filter.end(), out.begin());
  return out;
}();

std::string bytes_of(const sock_filter* filter, std::size_t count) {
  return std::string(reinterpret_cast<const char*>(filter), count * sizeof(sock_filter));
}

}  // namespace

std::string default_seccomp(kernel::CapSet caps) {
  if (caps == usual_caps) return bytes_of(usual.data(), usual.size());
  auto filter = compile_default(caps);
  return bytes_of(filter.data(), filter.size());
}

}  // namespace servin::runtime
