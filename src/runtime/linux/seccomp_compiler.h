// SPDX-License-Identifier: Apache-2.0
// The built-in profile -> classic BPF, at compile time for the default capabilities. The system call numbers are cut
// into ranges of one answer each and found by binary search; the kernel (5.11) keeps calls that are always allowed in
// a bitmap and does not run the filter for them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "runtime/linux/seccomp_default.h"
#include "runtime/linux/syscall_table.h"

namespace servin::runtime {

static_assert(std::is_sorted(seccomp_lists::always.begin(), seccomp_lists::always.end()));

enum class Answer : std::uint8_t { refuse, allow, unknown, look_at_socket, look_at_personality, look_at_clone };

constexpr std::uint32_t errno_perm = 1, errno_nosys = 38;
#if defined(__x86_64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t native_arch = AUDIT_ARCH_AARCH64;
#endif

/// One answer per system call number, 0 to the table's last.
constexpr std::vector<Answer> default_policy(std::uint64_t caps) {
  std::uint32_t last = 0;
  for (const auto& call : syscall_table) last = std::max(last, call.number);
  std::vector<Answer> policy(last + 1, Answer::unknown);
  auto has = [caps](int cap) { return (caps >> cap & 1) != 0; };
  auto listed = [](auto names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  constexpr int sys_admin = 21;
  for (const auto& call : syscall_table) {
    bool allowed = std::binary_search(seccomp_lists::always.begin(), seccomp_lists::always.end(), call.name);
    for (const auto& group : seccomp_lists::groups)
      allowed = allowed || (has(group.capability) && listed(group.names, call.name));
    Answer answer = allowed ? Answer::allow : Answer::refuse;
    if (call.name == "socket") answer = Answer::look_at_socket;
    if (call.name == "personality") answer = Answer::look_at_personality;
    if (call.name == "clone" && !has(sys_admin)) answer = Answer::look_at_clone;
    if (call.name == "clone3" && !has(sys_admin)) answer = Answer::unknown;
    policy[call.number] = answer;
  }
  return policy;
}

class SeccompCompiler {
 public:
  constexpr std::vector<sock_filter> compile(const std::vector<Answer>& policy) {
    emit(BPF_LD | BPF_W | BPF_ABS, 4);  // seccomp_data.arch
    emit(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0);
    emit(BPF_RET | BPF_K, error(errno_nosys));
    emit(BPF_LD | BPF_W | BPF_ABS, 0);  // seccomp_data.nr
    cut(policy);
    search(0, ranges_.size());
    return std::move(out_);
  }

 private:
  struct Range {
    std::uint32_t first;
    Answer answer;
  };

  static constexpr std::uint32_t error(std::uint32_t err) { return SECCOMP_RET_ERRNO | err; }

  constexpr void emit(int code, std::uint32_t k, unsigned jt = 0, unsigned jf = 0) {
    out_.push_back({static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(jt), static_cast<std::uint8_t>(jf), k});
  }

  constexpr void cut(const std::vector<Answer>& policy) {
    for (std::uint32_t n = 0; n < policy.size(); ++n)
      if (ranges_.empty() || ranges_.back().answer != policy[n]) ranges_.push_back({n, policy[n]});
    // Above the table: newer calls, and x32's with bit 30.
    ranges_.push_back({static_cast<std::uint32_t>(policy.size()), Answer::unknown});
  }

  constexpr void search(std::size_t from, std::size_t to) {
    if (to - from == 1) return leaf(ranges_[from].answer);
    std::size_t middle = (from + to) / 2;
    // Over the lower half to the upper one by a far jump when it is too far for 8 bits.
    std::size_t at = out_.size();
    emit(BPF_JMP | BPF_JGE | BPF_K, ranges_[middle].first, 0, 1);
    emit(BPF_JMP | BPF_JA, 0);
    search(from, middle);
    out_[at + 1].k = static_cast<std::uint32_t>(out_.size() - at - 2);
    search(middle, to);
  }

  constexpr void leaf(Answer answer) {
    switch (answer) {
      case Answer::allow:
        emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        break;
      case Answer::refuse:
        emit(BPF_RET | BPF_K, error(errno_perm));
        break;
      case Answer::unknown:
        emit(BPF_RET | BPF_K, error(errno_nosys));
        break;
      case Answer::look_at_socket:
        check_socket();
        break;
      case Answer::look_at_personality:
        check_personality();
        break;
      case Answer::look_at_clone:
        check_clone();
        break;
    }
  }

  // Little endian: the low half of argument 0 stands at offset 16. socket takes an int, so the high half says nothing.
  constexpr void check_socket() {
    emit(BPF_LD | BPF_W | BPF_ABS, 16);
    for (std::uint32_t family : seccomp_lists::refused_families) {
      emit(BPF_JMP | BPF_JEQ | BPF_K, family, 0, 1);
      emit(BPF_RET | BPF_K, error(errno_perm));
    }
    emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }

  constexpr void check_personality() {
    emit(BPF_LD | BPF_W | BPF_ABS, 16);
    for (std::uint32_t value : seccomp_lists::personalities) {
      emit(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
      emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    emit(BPF_RET | BPF_K, error(errno_perm));
  }

  constexpr void check_clone() {
    emit(BPF_LD | BPF_W | BPF_ABS, 16);
    emit(BPF_JMP | BPF_JSET | BPF_K, seccomp_lists::namespace_flags, 0, 1);
    emit(BPF_RET | BPF_K, error(errno_perm));
    emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }

  std::vector<Range> ranges_;
  std::vector<sock_filter> out_;
};

constexpr std::vector<sock_filter> compile_default(std::uint64_t caps) {
  return SeccompCompiler().compile(default_policy(caps));
}

}  // namespace servin::runtime
