// SPDX-License-Identifier: Apache-2.0
#include "runtime/defaults.h"

#include <algorithm>
#include <array>
#include <unistd.h>

#include "base/capability_names.h"
#include "base/error.h"
#include "base/strings.h"

namespace servin::runtime {
namespace {

// Docker's 14 without MKNOD, NET_RAW and AUDIT_WRITE, as podman: what programs in containers need, and nothing with
// which device nodes or raw packets are made.
constexpr std::array<std::string_view, 11> default_caps = {"CHOWN",  "DAC_OVERRIDE", "FSETID",          "FOWNER",
                                                           "SETGID", "SETUID",       "SETFCAP",         "SETPCAP",
                                                           "KILL",   "SYS_CHROOT",   "NET_BIND_SERVICE"};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string cap_of(std::string_view written) {
  std::string name = upper(trim(written));
  if (name.starts_with("CAP_")) name.erase(0, 4);
  if (name == "ALL") return name;
  std::vector<std::string> known(capability_names.begin(), capability_names.end());
  if (std::find(known.begin(), known.end(), name) != known.end()) return "CAP_" + name;
  std::string hint = did_you_mean_hint(name, known);
  throw error(ErrorCode::invalid_argument, "capability {} is not known", quoted(written))
      .with_id("E-CAP-UNKNOWN")
      .with_hint(hint.empty() ? "man 7 capabilities lists them; ALL means every one" : hint);
}

bool contains(std::span<const std::string> list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::vector<std::string> caps_of(std::span<const std::string> written) {
  std::vector<std::string> out;
  for (const auto& w : written) out.push_back(cap_of(w));
  return out;
}

std::size_t depth(const std::string& path) {
  std::size_t n = 0;
  for (const auto& part : split(path, '/')) n += part.empty() || part == "." ? 0 : 1;
  return n;
}

oci::SpecMount kernel_mount(std::string type, std::string target, std::vector<std::string> options) {
  return {std::move(target), type, type, std::move(options)};
}

void add_ipc_mounts(std::vector<oci::SpecMount>& out, const MountDefaults& o) {
  // Message queues belong to the ipc namespace: a new mount shows those of the one that the container is in.
  out.push_back(kernel_mount("mqueue", "/dev/mqueue", {"nosuid", "noexec", "nodev"}));
  if (o.no_shm) return;
  if (o.host_ipc) {
    out.push_back({"/dev/shm", "bind", "/dev/shm", {"rbind", "nosuid", "noexec", "nodev"}});
    return;
  }
  if (!o.join_shm.empty()) {
    out.push_back({"/dev/shm", "bind", o.join_shm, {"rbind", "nosuid", "noexec", "nodev"}});
    return;
  }
  out.push_back(
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(o.shm_size)}});
}

}  // namespace

std::vector<std::string> default_capabilities() {
  std::vector<std::string> out;
  for (auto name : default_caps) out.push_back("CAP_" + std::string(name));
  return out;
}

std::vector<std::string> resolve_capabilities(std::span<const std::string> add, std::span<const std::string> drop,
                                              bool privileged, std::span<const std::string> host) {
  auto added = caps_of(add);
  auto dropped = caps_of(drop);
  for (const auto& cap : added) {
    if (cap == "ALL" || contains(host, cap)) continue;
    throw error(ErrorCode::failed_precondition, "{} cannot be given: servin does not have it itself here", cap)
        .with_hint("start servin with all capabilities, or leave this one out");
  }
  std::vector<std::string> base;
  if (contains(added, "ALL") || (privileged && !contains(dropped, "ALL"))) {
    base.assign(host.begin(), host.end());
  } else if (!contains(dropped, "ALL")) {
    for (const auto& cap : default_capabilities())
      if (contains(host, cap)) base.push_back(cap);
  }
  std::vector<std::string> out;
  for (auto name : capability_names) {  // in the kernel's order, each once
    std::string cap = "CAP_" + std::string(name);
    bool on = (contains(base, cap) && !contains(dropped, cap)) || contains(added, cap);
    if (on) out.push_back(std::move(cap));
  }
  return out;
}

oci::SpecCapabilities spec_capabilities(const std::vector<std::string>& set) {
  oci::SpecCapabilities caps;
  caps.bounding = caps.effective = caps.permitted = set;
  return caps;
}

std::vector<oci::SpecMount> default_mounts(const MountDefaults& o) {
  std::vector<oci::SpecMount> out;
  const std::string access = o.privileged ? "rw" : "ro";
  out.push_back(kernel_mount("proc", "/proc", {"nosuid", "noexec", "nodev"}));
  out.push_back(kernel_mount("tmpfs", "/dev", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  out.push_back(
      kernel_mount("devpts", "/dev/pts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  out.push_back(kernel_mount("sysfs", "/sys", {"nosuid", "noexec", "nodev", access}));
  if (o.cgroup) out.push_back(kernel_mount("cgroup", "/sys/fs/cgroup", {"nosuid", "noexec", "nodev", access}));
  add_ipc_mounts(out, o);
  return out;
}

void sort_mounts(std::vector<oci::SpecMount>& mounts) {
  // Those of one depth stay in the order in which they were given.
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (std::size_t i = 0; i < mounts.size(); ++i) order.emplace_back(depth(mounts[i].destination), i);
  std::sort(order.begin(), order.end());
  std::vector<oci::SpecMount> sorted;
  sorted.reserve(mounts.size());
  for (const auto& [level, index] : order) sorted.push_back(std::move(mounts[index]));
  mounts = std::move(sorted);
}

std::vector<std::string> default_masked_paths() {
  std::vector<std::string> out = {"/proc/acpi",        "/proc/asound",  "/proc/interrupts",
                                  "/proc/kcore",       "/proc/keys",    "/proc/latency_stats",
                                  "/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
                                  "/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap",
                                  "/sys/fs/selinux"};
  // How often each processor was throttled tells about the neighbours' load. Only Intel's driver has these.
  for (int cpu = 0; cpu < 4096; ++cpu) {
    std::string path = fmt::format("/sys/devices/system/cpu/cpu{}/thermal_throttle", cpu);
    if (::access(path.c_str(), F_OK) != 0) break;
    out.push_back(std::move(path));
  }
  return out;
}

std::vector<std::string> default_readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

std::map<std::string, std::string> default_sysctls(bool host_network) {
  if (host_network) return {};
  return {{"net.ipv4.ip_unprivileged_port_start", "0"}, {"net.ipv4.ping_group_range", "0 2147483647"}};
}

std::vector<oci::SpecNamespace> spec_namespaces(const std::map<std::string, std::string>& paths) {
  std::vector<oci::SpecNamespace> out;
  for (const auto& [type, path] : paths) out.push_back({type, path});
  return out;
}

std::string rlimit_type(std::string_view name) {
  static const std::vector<std::string> known = {"core",    "cpu",      "data",   "fsize",      "locks",
                                                 "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                                 "rss",     "rtprio",   "rttime", "sigpending", "stack"};
  std::string word = lower(name);
  if (contains(known, word)) return "RLIMIT_" + upper(word);
  std::string hint = did_you_mean_hint(word, known);
  throw error(ErrorCode::invalid_argument, "limit {} is not known", quoted(name))
      .with_id("E-ULIMIT-UNKNOWN")
      .with_hint(hint.empty() ? "known limits: " + join(known, " ") : hint);
}

}  // namespace servin::runtime
