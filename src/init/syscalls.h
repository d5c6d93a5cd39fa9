// SPDX-License-Identifier: Apache-2.0
// System calls without a C library. Results are the kernel's: negative errno on failure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>

namespace servin::init {

#if defined(__x86_64__)
inline long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  long result = 0;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
inline long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 asm("x8") = n;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "servin-init has no system call sequence for this processor"
#endif

template <typename T>
long argument(T value) {
  return static_cast<long>(value);
}
template <typename T>
long argument(T* value) {
  return static_cast<long>(reinterpret_cast<uintptr_t>(value));
}
inline long argument(decltype(nullptr)) { return 0; }

template <typename A = long, typename B = long, typename C = long, typename D = long, typename E = long,
          typename F = long>
long call(long n, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) {
  return syscall6(n, argument(a), argument(b), argument(c), argument(d), argument(e), argument(f));
}

}  // namespace servin::init
