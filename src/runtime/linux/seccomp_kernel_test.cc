// SPDX-License-Identifier: Apache-2.0
// The built-in filter in the kernel itself, over every system call number, without executing one: below it lies a
// filter that answers errno 77 for everything. Of two refusals the newer filter's errno is what the caller sees, so 77
// means "ours lets it pass".
#include <array>
#include <cstring>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "os/fd.h"
#include "runtime/defaults.h"
#include "runtime/linux/seccomp_compiler.h"
#include "runtime/linux/seccomp_profile.h"

namespace servin::runtime {
namespace {

constexpr int numbers = 513, passed = 77;
using Answers = std::array<int, numbers>;

bool install(const sock_filter* filter, std::size_t count) {
  sock_fprog program{static_cast<unsigned short>(count), const_cast<sock_filter*>(filter)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

bool install_floor() {
  std::vector<sock_filter> code = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}};
  for (long call : {SYS_seccomp, SYS_write, SYS_exit_group}) {
    code.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(call)});
    code.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  }
  code.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | passed});
  return install(code.data(), code.size());
}

// The floor lets these through; the kernel itself lets the calls of its probes through (x86-64's uretprobe, uprobe) and
// kills whoever makes them by hand.
bool is_used(int number) {
  for (const auto& call : syscall_table)
    if (static_cast<int>(call.number) == number && (call.name == "uretprobe" || call.name == "uprobe")) return true;
  return number == SYS_seccomp || number == SYS_write || number == SYS_exit_group;
}

int native(int number) { return ::syscall(number, 0, 0, 0, 0, 0, 0) == -1 ? errno : 0; }

#if defined(__x86_64__)
int by_interrupt(int number) {
  int result = number;
  asm volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
  return -result;
}
#endif

// In a child, which tells what each number answered; nothing when it was killed.
std::optional<Answers> ask_kernel(const std::string& filter, int (*call)(int), bool skip_used) {
  Pipe pipe = make_pipe();
  pid_t child = ::fork();
  if (child == 0) {
    Answers answers{};
    bool ready = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && install_floor() &&
                 install(reinterpret_cast<const sock_filter*>(filter.data()), filter.size() / sizeof(sock_filter));
    for (int n = 0; ready && n < numbers; ++n)
      answers[static_cast<std::size_t>(n)] = skip_used && is_used(n) ? passed : call(n);
    ssize_t sent = ready ? ::write(pipe.write.get(), answers.data(), sizeof answers) : 0;
    ::syscall(SYS_exit_group, sent == sizeof answers ? 0 : 1);
  }
  pipe.write.reset();
  Answers answers{};
  std::string bytes = read_all(pipe.read, 1U << 20U, "answers");
  int status = 0;
  ::waitpid(child, &status, 0);
  if (bytes.size() != sizeof answers) return std::nullopt;
  std::memcpy(answers.data(), bytes.data(), sizeof answers);
  return answers;
}

TEST(SeccompInTheKernel, EveryNumber) {
  for (kernel::CapSet caps : {kernel::CapSet{0}, kernel::CapSet{0x800405fb}, ~kernel::CapSet{0}}) {
    auto answers = ask_kernel(default_seccomp(caps), native, true);
    ASSERT_TRUE(answers.has_value());
    auto policy = default_policy(caps);
    for (std::size_t n = 0; n < numbers; ++n) {
      if (is_used(static_cast<int>(n))) continue;
      Answer answer = n < policy.size() ? policy[n] : Answer::unknown;
      // The three that are looked into are asked with 0: no family, the usual personality, a plain clone.
      int wanted = answer == Answer::refuse ? 1 : answer == Answer::unknown ? 38 : passed;
      EXPECT_EQ((*answers)[n], wanted) << "number " << n << " caps " << caps;
    }
  }
}

#if defined(__x86_64__)
TEST(SeccompInTheKernel, EntryOf32BitPrograms) {
  auto answers = ask_kernel(default_seccomp(~kernel::CapSet{0}), by_interrupt, false);
  if (!answers) GTEST_SKIP() << "this kernel has no 32-bit entry";
  for (std::size_t n = 0; n < numbers; ++n) EXPECT_EQ((*answers)[n], 38) << n;
}
#endif

}  // namespace
}  // namespace servin::runtime
