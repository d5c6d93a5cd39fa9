// SPDX-License-Identifier: Apache-2.0
// Filters run in an interpreter over every system call number, and are compared with the policy in words.
#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "os/file.h"
#include "runtime/defaults.h"
#include "runtime/linux/seccomp_compiler.h"
#include "runtime/linux/seccomp_profile.h"

namespace servin::runtime {
namespace {

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW, eperm = SECCOMP_RET_ERRNO | 1, enosys = SECCOMP_RET_ERRNO | 38;

std::uint32_t run(const std::string& bytes, seccomp_data data) {
  std::vector<sock_filter> code(bytes.size() / sizeof(sock_filter));
  std::memcpy(code.data(), bytes.data(), bytes.size());
  std::uint32_t a = 0;
  for (std::size_t pc = 0; pc < code.size(); ++pc) {
    const sock_filter& i = code[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (a & i.k) != 0 ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        ADD_FAILURE() << "instruction " << i.code;
        return 0;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

std::uint32_t ask(const std::string& filter, std::uint32_t number, std::uint64_t argument = 0,
                  std::uint32_t arch = native_arch) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  data.args[0] = argument;
  return run(filter, data);
}

std::uint32_t number_of(std::string_view name) {
  for (const auto& call : syscall_table)
    if (call.name == name) return call.number;
  return ~0U;
}

kernel::CapSet usual_caps() {
  kernel::CapSet set = 0;
  for (const auto& name : default_capabilities()) set |= kernel::cap_bit(*kernel::cap_number(name));
  return set;
}

TEST(Seccomp, UsualFilterIsTheOneMadeAtBuildTime) {
  auto made = compile_default(usual_caps());
  std::string bytes(reinterpret_cast<const char*>(made.data()), made.size() * sizeof(sock_filter));
  EXPECT_EQ(default_seccomp(usual_caps()), bytes);
  EXPECT_LT(made.size(), 4096U);
}

// What each system call gets in words, found without the compiler.
std::uint32_t expected(const SyscallName& call, kernel::CapSet caps) {
  auto in = [&](auto names) { return std::find(names.begin(), names.end(), call.name) != names.end(); };
  bool ok = in(std::span<const std::string_view>(seccomp_lists::always));
  for (const auto& g : seccomp_lists::groups) ok = ok || ((caps & kernel::cap_bit(g.capability)) != 0 && in(g.names));
  if (call.name == "socket" || call.name == "personality" || call.name == "clone") return allow;  // argument 0
  if (call.name == "clone3" && (caps & kernel::cap_bit(21)) == 0) return enosys;
  return ok ? allow : eperm;
}

TEST(Seccomp, EveryNumberWithEachCapability) {
  std::vector<kernel::CapSet> sets = {0, usual_caps(), ~kernel::CapSet{0}};
  for (int cap = 0; cap < kernel::cap_count; ++cap) sets.push_back(kernel::cap_bit(cap));
  for (auto caps : sets) {
    std::string filter = default_seccomp(caps);
    std::set<std::uint32_t> known;
    for (const auto& call : syscall_table) {
      known.insert(call.number);
      EXPECT_EQ(ask(filter, call.number), expected(call, caps)) << call.name << " caps " << caps;
    }
    for (std::uint32_t n = 0; n <= 512; ++n) EXPECT_TRUE(known.contains(n) || ask(filter, n) == enosys) << n;
    EXPECT_EQ(ask(filter, 0x40000000U), enosys) << "x32";
    EXPECT_EQ(ask(filter, 0xffffffffU), enosys);
  }
}

TEST(Seccomp, ForeignEntriesKnowNothing) {
  std::string filter = default_seccomp(~kernel::CapSet{0});
  for (std::uint32_t n = 0; n < 470; ++n) EXPECT_EQ(ask(filter, n, 0, AUDIT_ARCH_I386), enosys) << n;
}

TEST(Seccomp, Arguments) {
  std::string filter = default_seccomp(usual_caps());
  for (std::uint32_t family = 0; family < 64; ++family)
    EXPECT_EQ(ask(filter, number_of("socket"), family), family == 38 || family == 40 ? eperm : allow) << family;
  // The kernel reads an int: bits above must not hide it.
  EXPECT_EQ(ask(filter, number_of("socket"), 0x100000026ULL), eperm);
  for (std::uint64_t p : {0ULL, 8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL})
    EXPECT_EQ(ask(filter, number_of("personality"), p), allow) << p;
  EXPECT_EQ(ask(filter, number_of("personality"), 0x0040000), eperm) << "ADDR_NO_RANDOMIZE";
  EXPECT_EQ(ask(filter, number_of("clone"), 0x11), allow);
  for (std::uint64_t flag :
       {0x00020000ULL, 0x02000000ULL, 0x04000000ULL, 0x08000000ULL, 0x10000000ULL, 0x20000000ULL, 0x40000000ULL})
    EXPECT_EQ(ask(filter, number_of("clone"), flag | 0x11), eperm) << flag;
  std::string admin = default_seccomp(kernel::cap_bit(21));
  EXPECT_EQ(ask(admin, number_of("clone"), 0x10000011), allow);
  EXPECT_EQ(ask(admin, number_of("clone3")), allow);
}

TEST(Seccomp, NamesStandInTheTableOfThisMachine) {
  for (std::string_view name : {"read", "execve", "openat2", "clone3", "mseal", "statmount", "socket", "ptrace"})
    EXPECT_NE(number_of(name), ~0U) << name;
#if defined(__x86_64__)
  EXPECT_EQ(number_of("openat2"), static_cast<std::uint32_t>(SYS_openat2));
  EXPECT_EQ(number_of("close_range"), static_cast<std::uint32_t>(SYS_close_range));
#endif
}

constexpr const char* profile = R"({
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [
    {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
    {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]},
    {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"name": "chroot", "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}
  ]})";

TEST(SeccompProfile, DockerForm) {
  std::string filter = compile_seccomp(profile, 0, "");
  EXPECT_EQ(ask(filter, number_of("read")), allow);
  EXPECT_EQ(ask(filter, number_of("openat")), enosys);
#if defined(__x86_64__)
  EXPECT_EQ(ask(filter, number_of("mkdir")), SECCOMP_RET_ERRNO | 5U);
#endif
  EXPECT_EQ(ask(filter, number_of("socket"), 1), allow);
  EXPECT_EQ(ask(filter, number_of("socket"), 2), enosys);
  EXPECT_EQ(ask(filter, number_of("mount")), enosys);
  EXPECT_EQ(ask(filter, number_of("chroot")), allow);
  std::string admin = compile_seccomp(profile, kernel::cap_bit(21), "");
  EXPECT_EQ(ask(admin, number_of("mount")), allow);
  EXPECT_EQ(ask(admin, number_of("chroot")), enosys);
}

TEST(SeccompProfile, IsCachedByContent) {
  char name[] = "/tmp/servin-seccomp-XXXXXX";
  std::string dir = ::mkdtemp(name);
  std::string cache = dir + "/cache";
  std::string first = compile_seccomp(profile, 0, cache);
  auto files = list_dir(cache);
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(compile_seccomp(profile, 0, cache), first);
  compile_seccomp(profile, 1, cache);
  EXPECT_EQ(list_dir(cache).size(), 2U);
  // A file that was cut off is made again.
  write_file(cache + "/" + files[0], "abc");
  EXPECT_EQ(compile_seccomp(profile, 0, cache), first);
  remove_tree(dir);
}

TEST(SeccompProfile, BadOnesSayWhere) {
  for (
      const char* bad :
      {"", "[]", "{", "{}", R"({"defaultAction": 1})", R"({"defaultAction": "SCMP_ACT_DANCE"})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [1]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "op": "SCMP_CMP_EQ"}]}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "op": "LIKE"}]}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"})"}) {
    try {
      compile_seccomp(bad, 0, "");
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.id(), "E-SECCOMP-PROFILE") << bad;
    }
  }
}

}  // namespace
}  // namespace servin::runtime
