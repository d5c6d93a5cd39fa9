// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/device_bpf.h"

#include <cerrno>
#include <cstring>
#include <unistd.h>

#include <linux/bpf.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "os/fd.h"

namespace servin::runtime {
namespace {

// Registers of the program: the context is split once.
constexpr std::uint8_t r_type = 2, r_access = 3, r_major = 4, r_minor = 5, r_scratch = 1;

class Assembler {
 public:
  void load(std::uint8_t to, std::int16_t offset) { emit(BPF_LDX | BPF_MEM | BPF_W, to, 1, offset, 0); }
  void move(std::uint8_t to, std::uint8_t from) { emit(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void mask(std::uint8_t reg, std::int32_t bits) { emit(BPF_ALU | BPF_AND | BPF_K, reg, 0, 0, bits); }
  void shift_right(std::uint8_t reg, std::int32_t n) { emit(BPF_ALU | BPF_RSH | BPF_K, reg, 0, 0, n); }
  void skip_unless_equal(std::uint8_t reg, std::int32_t value, int count) {
    emit(BPF_JMP | BPF_JNE | BPF_K, reg, 0, static_cast<std::int16_t>(count), value);
  }
  void skip_if_not_zero(std::uint8_t reg, int count) {
    emit(BPF_JMP | BPF_JNE | BPF_K, reg, 0, static_cast<std::int16_t>(count), 0);
  }
  void skip_if_zero(std::uint8_t reg, int count) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, static_cast<std::int16_t>(count), 0);
  }
  void answer(bool allow) {
    emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allow ? 1 : 0);
    emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  std::string bytes() const { return bytes_; }

 private:
  void emit(int code, std::uint8_t to, std::uint8_t from, std::int16_t offset, std::int32_t value) {
    bpf_insn insn{};
    insn.code = static_cast<std::uint8_t>(code);
    insn.dst_reg = to & 0xfU;
    insn.src_reg = from & 0xfU;
    insn.off = offset;
    insn.imm = value;
    bytes_.append(reinterpret_cast<const char*>(&insn), sizeof insn);
  }
  std::string bytes_;
};

std::int32_t access_bits(const std::string& access) {
  std::int32_t bits = 0;
  for (char c : access) {
    if (c == 'r') bits |= BPF_DEVCG_ACC_READ;
    if (c == 'w') bits |= BPF_DEVCG_ACC_WRITE;
    if (c == 'm') bits |= BPF_DEVCG_ACC_MKNOD;
  }
  return bits;
}

constexpr std::int32_t all_access = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD;

// struct bpf_cgroup_dev_ctx: access_type = access << 16 | type, major, minor.
void split_context(Assembler& out) {
  out.load(r_type, 0);
  out.move(r_access, r_type);
  out.mask(r_type, 0xffff);
  out.shift_right(r_access, 16);
  out.load(r_major, 4);
  out.load(r_minor, 8);
}

void add_rule(Assembler& out, const oci::SpecDeviceRule& rule) {
  std::int32_t bits = access_bits(rule.access);
  bool by_type = rule.type != "a";
  bool by_access = bits != all_access;
  int left = 2;  // the answer
  int access_size = by_access ? 3 : 0;
  int minor_size = rule.minor ? 1 : 0, major_size = rule.major ? 1 : 0;
  if (by_type)
    out.skip_unless_equal(r_type, rule.type == "c" ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
                          left + access_size + minor_size + major_size);
  if (rule.major)
    out.skip_unless_equal(r_major, static_cast<std::int32_t>(*rule.major), left + access_size + minor_size);
  if (rule.minor) out.skip_unless_equal(r_minor, static_cast<std::int32_t>(*rule.minor), left + access_size);
  if (by_access) {
    // An allowing rule must cover all that is asked for; a denying one is met by any part of it.
    out.move(r_scratch, r_access);
    if (rule.allow) {
      out.mask(r_scratch, ~bits & all_access);
      out.skip_if_not_zero(r_scratch, left);
    } else {
      out.mask(r_scratch, bits);
      out.skip_if_zero(r_scratch, left);
    }
  }
  out.answer(rule.allow);
}

// The start fails then: a container without its filter would open what it likes.
Error refused(std::string_view step) {
  int err = errno;
  return errno_error(
             err, fmt::format("devices cannot be kept from the container: the kernel refuses to {} its filter", step))
      .with_id("E-CGROUP-MISSING")
      .with_hint(
          "use a kernel with CONFIG_CGROUP_BPF, or mount the controller: mount -t cgroup -o devices none "
          "/sys/fs/cgroup/devices; or give the container all devices: --privileged");
}

}  // namespace

std::string compile_device_filter(const std::vector<oci::SpecDeviceRule>& rules) {
  Assembler out;
  split_context(out);
  // The last rule that matches decides: asked from the back.
  bool open_end = true;
  for (auto rule = rules.rbegin(); rule != rules.rend() && open_end; ++rule) {
    add_rule(out, *rule);
    bool catches_all = rule->type == "a" && !rule->major && !rule->minor && access_bits(rule->access) == all_access;
    open_end = !catches_all;  // code behind it would be unreachable, which the kernel's verifier refuses
  }
  if (open_end) out.answer(false);
  return out.bytes();
}

void attach_device_filter(int dir, std::string_view program) {
  static const char license[] = "Apache-2.0";
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = reinterpret_cast<std::uint64_t>(program.data());
  attr.insn_cnt = static_cast<std::uint32_t>(program.size() / sizeof(bpf_insn));
  attr.license = reinterpret_cast<std::uint64_t>(license);
  Fd loaded(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr)));
  if (!loaded) throw refused("load");
  bpf_attr attach{};
  attach.target_fd = static_cast<std::uint32_t>(dir);
  attach.attach_bpf_fd = static_cast<std::uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0) throw refused("attach");
}

}  // namespace servin::runtime
