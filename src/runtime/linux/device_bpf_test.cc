// SPDX-License-Identifier: Apache-2.0
// The programs run in a small interpreter here; device_bpf_kernel_test.cc gives them to the kernel.
#include "runtime/linux/device_bpf.h"

#include <cstring>

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "base/error.h"
#include "runtime/defaults.h"

namespace servin::runtime {
namespace {

constexpr std::uint32_t r = BPF_DEVCG_ACC_READ, w = BPF_DEVCG_ACC_WRITE, m = BPF_DEVCG_ACC_MKNOD;
constexpr std::uint32_t chr = BPF_DEVCG_DEV_CHAR, blk = BPF_DEVCG_DEV_BLOCK;

struct Context {
  std::uint32_t access_type, major, minor;
};

bool run(const std::string& program, Context context) {
  std::vector<bpf_insn> code(program.size() / sizeof(bpf_insn));
  std::memcpy(code.data(), program.data(), program.size());
  std::uint64_t reg[11] = {};
  for (std::size_t pc = 0; pc < code.size(); ++pc) {
    const bpf_insn& i = code[pc];
    switch (i.code) {
      case BPF_LDX | BPF_MEM | BPF_W: {
        std::uint32_t value = 0;
        std::memcpy(&value, reinterpret_cast<const char*>(&context) + i.off, 4);
        reg[i.dst_reg] = value;
        break;
      }
      case BPF_ALU64 | BPF_MOV | BPF_X:
        reg[i.dst_reg] = reg[i.src_reg];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        reg[i.dst_reg] = static_cast<std::uint64_t>(std::int64_t{i.imm});
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        reg[i.dst_reg] = static_cast<std::uint32_t>(reg[i.dst_reg]) & static_cast<std::uint32_t>(i.imm);
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        reg[i.dst_reg] = static_cast<std::uint32_t>(reg[i.dst_reg]) >> i.imm;
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        if (reg[i.dst_reg] != static_cast<std::uint64_t>(std::int64_t{i.imm})) pc += static_cast<std::size_t>(i.off);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        if (reg[i.dst_reg] == static_cast<std::uint64_t>(std::int64_t{i.imm})) pc += static_cast<std::size_t>(i.off);
        break;
      case BPF_JMP | BPF_EXIT:
        return reg[0] == 1;
      default:
        ADD_FAILURE() << "instruction " << int{i.code};
        return false;
    }
  }
  ADD_FAILURE() << "ran off the end";
  return false;
}

bool allowed(const std::vector<oci::SpecDeviceRule>& rules, std::uint32_t type, std::uint32_t access,
             std::uint32_t major, std::uint32_t minor) {
  return run(compile_device_filter(rules), {access << 16 | type, major, minor});
}

TEST(DeviceFilter, Defaults) {
  auto rules = default_device_rules();
  for (std::uint32_t minor : {3U, 5U, 7U, 8U, 9U}) EXPECT_TRUE(allowed(rules, chr, r | w, 1, minor)) << minor;
  for (std::uint32_t minor : {0U, 1U, 2U}) EXPECT_TRUE(allowed(rules, chr, r | w | m, 5, minor)) << minor;
  EXPECT_TRUE(allowed(rules, chr, r | w, 136, 12345));
  EXPECT_TRUE(allowed(rules, chr, m, 10, 229));
  EXPECT_TRUE(allowed(rules, blk, m, 8, 0));
  EXPECT_FALSE(allowed(rules, chr, r | w, 10, 229)) << "fuse";
  EXPECT_FALSE(allowed(rules, chr, r | w, 10, 203)) << "cuse";
  EXPECT_FALSE(allowed(rules, blk, r, 8, 0));
  EXPECT_FALSE(allowed(rules, blk, r, 1, 3)) << "block 1:3 is no null device";
  EXPECT_FALSE(allowed(rules, chr, r | m, 10, 229));
}

TEST(DeviceFilter, LaterRulesWin) {
  auto rules = default_device_rules();
  rules.push_back(parse_device_rule("b 8:* r"));
  EXPECT_TRUE(allowed(rules, blk, r, 8, 17));
  EXPECT_FALSE(allowed(rules, blk, w, 8, 17));
  EXPECT_FALSE(allowed(rules, blk, r | w, 8, 17));
  EXPECT_FALSE(allowed(rules, blk, r, 9, 17));
  oci::SpecDeviceRule deny = parse_device_rule("c 1:3 w");
  deny.allow = false;
  rules.push_back(deny);
  EXPECT_FALSE(allowed(rules, chr, w, 1, 3));
  EXPECT_FALSE(allowed(rules, chr, r | w, 1, 3));
  EXPECT_TRUE(allowed(rules, chr, r, 1, 3));
}

TEST(DeviceFilter, AllAndNothing) {
  EXPECT_TRUE(allowed(allow_all_devices(), blk, r | w | m, 8, 0));
  EXPECT_FALSE(allowed({}, chr, r, 1, 3));
  auto both = allow_all_devices();
  both.push_back({});
  EXPECT_FALSE(allowed(both, chr, r, 1, 3));
}

TEST(DeviceFilter, NothingFollowsARuleThatCatchesAll) {
  // The verifier refuses code that cannot be reached.
  auto rules = default_device_rules();
  auto size = compile_device_filter(rules).size();
  rules.insert(rules.begin(), parse_device_rule("c 5:9 rwm"));
  EXPECT_EQ(compile_device_filter(rules).size(), size);
}

TEST(DeviceRules, Parse) {
  auto rule = parse_device_rule("c 1:3 rwm");
  EXPECT_TRUE(rule.allow);
  EXPECT_EQ(rule.type, "c");
  EXPECT_EQ(rule.major, 1);
  EXPECT_EQ(rule.minor, 3);
  EXPECT_FALSE(parse_device_rule("b *:* r").major.has_value());
  for (const char* bad : {"", "c", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 q", "c 1:3 rwmm", "c -1:3 r", "c 1:3  r",
                          "c 99999999999:0 r", "c 1:3 r x"})
    EXPECT_THROW(parse_device_rule(bad), Error) << bad;
}

}  // namespace
}  // namespace servin::runtime
