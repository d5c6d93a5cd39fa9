// SPDX-License-Identifier: Apache-2.0
// The user's own seccomp profiles, through libseccomp.
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <seccomp.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "os/fd.h"
#include "os/file.h"
#include "runtime/linux/seccomp_profile.h"

namespace servin::runtime {
namespace {

using nlohmann::json;

constexpr std::size_t max_profile = 4U << 20U;

Error bad(const std::string& what) {
  return error(ErrorCode::invalid_argument, "seccomp profile: {}", what)
      .with_id("E-SECCOMP-PROFILE")
      .with_hint("the form is that of the OCI runtime spec (linux.seccomp) or docker's");
}

std::string text_of(const json& object, const char* key, const std::string& otherwise = "") {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return otherwise;
  if (!it->is_string()) throw bad(fmt::format("{} is no string", key));
  return it->get<std::string>();
}

std::vector<std::string> texts_of(const json& object, const char* key) {
  std::vector<std::string> out;
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return out;
  if (!it->is_array()) throw bad(fmt::format("{} is no list", key));
  for (const auto& item : *it) {
    if (!item.is_string()) throw bad(fmt::format("{} holds something else than strings", key));
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::optional<std::uint64_t> number_of(const json& object, const char* key) {
  auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::nullopt;
  if (!it->is_number_unsigned()) throw bad(fmt::format("{} is no number", key));
  return it->get<std::uint64_t>();
}

std::uint32_t action_of(const std::string& name, std::uint64_t err) {
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(static_cast<std::uint16_t>(err));
  if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(static_cast<std::uint16_t>(err));
  throw bad(fmt::format("action {} is not supported", servin::quoted(name)));
}

scmp_compare operator_of(const std::string& name) {
  static const std::array<std::pair<std::string_view, scmp_compare>, 7> known = {
      {{"SCMP_CMP_NE", SCMP_CMP_NE},
       {"SCMP_CMP_LT", SCMP_CMP_LT},
       {"SCMP_CMP_LE", SCMP_CMP_LE},
       {"SCMP_CMP_EQ", SCMP_CMP_EQ},
       {"SCMP_CMP_GE", SCMP_CMP_GE},
       {"SCMP_CMP_GT", SCMP_CMP_GT},
       {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}}};
  for (const auto& [word, op] : known)
    if (word == name) return op;
  throw bad(fmt::format("comparison {} is not known", servin::quoted(name)));
}

const char* go_arch() {
#if defined(__x86_64__)
  return "amd64";
#else
  return "arm64";
#endif
}

// docker's includes and excludes.
class Conditions {
 public:
  explicit Conditions(kernel::CapSet caps) : caps_(caps) {}

  bool apply(const json& rule) const {
    if (auto it = rule.find("includes"); it != rule.end() && it->is_object()) {
      for (const auto& cap : texts_of(*it, "caps"))
        if (!has(cap)) return false;
      auto arches = texts_of(*it, "arches");
      if (!arches.empty() && !listed(arches)) return false;
      if (!kernel_is_new_enough(text_of(*it, "minKernel"))) return false;
    }
    if (auto it = rule.find("excludes"); it != rule.end() && it->is_object()) {
      for (const auto& cap : texts_of(*it, "caps"))
        if (has(cap)) return false;
      if (listed(texts_of(*it, "arches"))) return false;
      std::string version = text_of(*it, "minKernel");
      if (!version.empty() && kernel_is_new_enough(version)) return false;
    }
    return true;
  }

 private:
  bool has(const std::string& name) const {
    auto n = kernel::cap_number(name);
    return n && (caps_ & kernel::cap_bit(*n)) != 0;
  }
  static bool listed(const std::vector<std::string>& arches) {
    for (const auto& a : arches)
      if (a == go_arch()) return true;
    return false;
  }
  static bool kernel_is_new_enough(const std::string& wanted) {
    auto pair = split_once(wanted, '.');
    if (!pair) return wanted.empty();
    utsname name{};
    ::uname(&name);
    auto parts = split(name.release, '.');
    if (parts.size() < 2) return true;
    auto major = parse_u64(parts[0]).value_or(0), minor = parse_u64(parts[1]).value_or(0);
    auto want_major = parse_u64(pair->first).value_or(0), want_minor = parse_u64(pair->second).value_or(0);
    return major != want_major ? major > want_major : minor >= want_minor;
  }
  kernel::CapSet caps_;
};

class ProfileCompiler {
 public:
  ProfileCompiler(const json& profile, kernel::CapSet caps) : profile_(profile), conditions_(caps) {}

  std::string compile() {
    if (!profile_.is_object()) throw bad("it is no object");
    for (const auto& key : {"listenerPath", "listenerMetadata"})
      if (profile_.contains(key)) throw bad(fmt::format("{} is not supported", key));
    default_error_ = number_of(profile_, "defaultErrnoRet").value_or(EPERM);
    default_action_ = action_of(text_of(profile_, "defaultAction"), default_error_);
    context_.reset(seccomp_init(default_action_));
    if (!context_) throw bad("defaultAction is refused");
    // The filter goes in with or without no_new_privs as the container has it: servin-init decides.
    seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
    seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    add_arches();
    auto rules = profile_.find("syscalls");
    if (rules != profile_.end() && !rules->is_null()) {
      if (!rules->is_array()) throw bad("syscalls is no list");
      std::size_t index = 0;
      for (const auto& rule : *rules) add_rule(rule, index++);
    }
    return export_bpf();
  }

 private:
  // Only the native one: see seccomp_default.h. Other entries get the bad-arch action.
  void add_arches() { seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)); }

  void add_rule(const json& rule, std::size_t index) {
    if (!rule.is_object()) throw bad(fmt::format("syscalls[{}] is no object", index));
    if (!conditions_.apply(rule)) return;
    std::uint32_t action = action_of(text_of(rule, "action"), number_of(rule, "errnoRet").value_or(default_error_));
    if (action == default_action_) return;  // libseccomp refuses rules that change nothing
    auto names = texts_of(rule, "names");
    if (std::string one = text_of(rule, "name"); !one.empty()) names.push_back(one);
    if (names.empty()) throw bad(fmt::format("syscalls[{}] names no call", index));
    auto args = arguments(rule, index);
    for (const auto& name : names) {
      int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;  // of another machine or another kernel
      add_call(number, action, args);
    }
  }

  std::vector<scmp_arg_cmp> arguments(const json& rule, std::size_t index) {
    std::vector<scmp_arg_cmp> out;
    auto it = rule.find("args");
    if (it == rule.end() || it->is_null()) return out;
    if (!it->is_array()) throw bad(fmt::format("syscalls[{}].args is no list", index));
    for (const auto& arg : *it) {
      if (!arg.is_object()) throw bad(fmt::format("syscalls[{}].args holds something else than objects", index));
      std::uint64_t number = number_of(arg, "index").value_or(0);
      if (number > 5) throw bad(fmt::format("syscalls[{}]: there is no argument {}", index, number));
      scmp_arg_cmp cmp{};
      cmp.arg = static_cast<unsigned>(number);
      cmp.op = operator_of(text_of(arg, "op"));
      cmp.datum_a = number_of(arg, "value").value_or(0);
      cmp.datum_b = number_of(arg, "valueTwo").value_or(0);
      // The spec's masked comparison has the mask first, as libseccomp.
      out.push_back(cmp);
    }
    return out;
  }

  void add_call(int number, std::uint32_t action, const std::vector<scmp_arg_cmp>& args) {
    // Two conditions on one argument cannot be one rule: they become alternatives, as runc has it.
    std::array<int, 6> uses{};
    bool twice = false;
    for (const auto& a : args) twice = twice || ++uses[a.arg] > 1;
    int rc = 0;
    if (!twice) {
      rc = seccomp_rule_add_array(context_.get(), action, number, static_cast<unsigned>(args.size()), args.data());
    } else {
      for (const auto& a : args)
        if (rc == 0) rc = seccomp_rule_add_array(context_.get(), action, number, 1, &a);
    }
    if (rc != 0 && rc != -EEXIST) throw bad(fmt::format("a rule is refused: {}", errno_text(-rc)));
  }

  std::string export_bpf() {
    Fd file = make_memfd("servin-seccomp", "", false);
    if (int rc = seccomp_export_bpf(context_.get(), file.get()); rc != 0)
      throw bad(fmt::format("it cannot be compiled: {}", errno_text(-rc)));
    ::lseek(file.get(), 0, SEEK_SET);
    return read_all(file, 1U << 20U, "seccomp filter");
  }

  const json& profile_;
  Conditions conditions_;
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_{nullptr, seccomp_release};
  std::uint32_t default_action_ = 0;
  std::uint64_t default_error_ = EPERM;
};

std::string cache_key(std::string_view text, kernel::CapSet caps) {
  utsname name{};
  ::uname(&name);
  const scmp_version* version = seccomp_version();
  Sha256 sum;
  sum.update(fmt::format("1 {} {} {} {}.{}.{}\n", caps, name.release, name.machine, version->major, version->minor,
                         version->micro));
  sum.update(text);
  return sum.finish_hex();
}

}  // namespace

std::string compile_seccomp(std::string_view text, kernel::CapSet caps, const std::string& cache_dir) {
  if (text.size() > max_profile) throw bad("it is larger than 4 MiB");
  std::string path = cache_dir.empty() ? "" : cache_dir + "/" + cache_key(text, caps);
  if (!path.empty()) {
    // A size that no filter has means a file that was cut off.
    if (auto kept = read_file(path); kept && !kept->empty() && kept->size() % 8 == 0) return *kept;
  }
  json profile = json::parse(text, nullptr, false);
  if (profile.is_discarded()) throw bad("it is not valid JSON");
  std::string filter = ProfileCompiler(profile, caps).compile();
  if (!path.empty()) {
    make_dirs(cache_dir);
    write_file(path, filter);
  }
  return filter;
}

}  // namespace servin::runtime
