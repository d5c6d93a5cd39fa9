// SPDX-License-Identifier: Apache-2.0
// plan(): checks a request against the host and flattens it.
#include <algorithm>
#include <array>
#include <sched.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "runtime/linux/cgroup_plan.h"
#include "runtime/linux/mount_options.h"
#include "runtime/linux/plan.h"
#include "runtime/linux/seccomp_profile.h"
#include "runtime/linux/users.h"

namespace servin::runtime {
namespace {

constexpr int cap_sys_resource = 24;

std::uint64_t namespace_flag(const std::string& type) {
  static constexpr std::array<std::pair<std::string_view, std::uint64_t>, 6> known = {{{"pid", CLONE_NEWPID},
                                                                                       {"network", CLONE_NEWNET},
                                                                                       {"mount", CLONE_NEWNS},
                                                                                       {"ipc", CLONE_NEWIPC},
                                                                                       {"uts", CLONE_NEWUTS},
                                                                                       {"cgroup", CLONE_NEWCGROUP}}};
  for (const auto& [name, flag] : known)
    if (name == type) return flag;
  throw error(ErrorCode::unsupported, "namespace {} is not supported", quoted(type));
}

void plan_namespaces(const oci::RuntimeSpec& spec, LaunchPlan& plan) {
  for (const auto& ns : spec.namespaces) plan.namespaces.push_back({namespace_flag(ns.type), ns.path});
  if (!plan.new_namespace(CLONE_NEWNS))
    throw Error(ErrorCode::unsupported, "a container needs a mount namespace of its own");
  if ((!spec.hostname.empty() || !spec.domainname.empty()) && plan.new_namespace(CLONE_NEWUTS)) {
    plan.hostname = spec.hostname;
    plan.domainname = spec.domainname;
  }
}

void plan_rootfs(const PrepareRequest& request, LaunchPlan& plan) {
  const Rootfs& r = request.rootfs;
  if (r.lowers.empty() || r.mount_point.empty())
    throw Error(ErrorCode::invalid_argument, "a container needs a root file system");
  plan.lowers = r.lowers;
  plan.upper = r.upper;
  plan.work = r.work;
  plan.mount_point = r.mount_point;
  plan.volatile_ = r.volatile_;
  plan.root_readonly = request.spec.root_readonly;
  bool recursive = false;
  constexpr std::uint64_t ms_shared = 1 << 20;
  const std::string& propagation = request.spec.rootfs_propagation;
  std::uint64_t kind = propagation.empty() ? 0 : propagation_word(propagation, recursive);
  // The host's mounts are cut off before the root is made: private and slave mean the same here.
  if (!propagation.empty() && (kind == 0 || kind == ms_shared))
    throw error(ErrorCode::unsupported, "propagation {} of the root file system is not supported", quoted(propagation));
  for (const auto& c : request.copy_up) plan.copy_up.push_back({c.volume_dir, c.target});
}

void plan_mounts(const PrepareRequest& request, LaunchPlan& plan) {
  bool own_dev = false;
  for (const auto& m : request.spec.mounts) {
    plan.mounts.push_back(plan_mount(m));
    own_dev = own_dev || plan.mounts.back().kind == MountPlan::Kind::dev;
  }
  // A /dev that the user binds stays as it is.
  plan.dev_defaults = request.dev_defaults && own_dev;
  plan.masked_paths = request.spec.masked_paths;
  plan.readonly_paths = request.spec.readonly_paths;
}

void plan_devices(const oci::RuntimeSpec& spec, LaunchPlan& plan) {
  for (const auto& d : spec.devices) {
    DevicePlan device;
    device.path = d.path;
    std::uint32_t kind = d.type == "b" ? S_IFBLK : d.type == "p" ? S_IFIFO : S_IFCHR;
    if (d.type != "b" && d.type != "c" && d.type != "u" && d.type != "p")
      throw error(ErrorCode::invalid_argument, "device {}: type {} is none of c, b, p", quoted(d.path), quoted(d.type));
    if (d.path.empty() || d.path[0] != '/')
      throw error(ErrorCode::invalid_argument, "device path {} is not absolute", quoted(d.path));
    if (d.major < 0 || d.major > 0xfff || d.minor < 0 || d.minor > 0xfffff)
      throw error(ErrorCode::invalid_argument, "device {}: {}:{} is out of range", quoted(d.path), d.major, d.minor);
    device.mode = kind | (d.file_mode & 07777);
    device.major = static_cast<std::uint32_t>(d.major);
    device.minor = static_cast<std::uint32_t>(d.minor);
    device.uid = d.uid;
    device.gid = d.gid;
    plan.devices.push_back(std::move(device));
  }
}

// Only what belongs to a namespace that the container has for itself; anything else would change the host.
std::uint64_t sysctl_namespace(const std::string& key) {
  static constexpr std::array<std::string_view, 8> ipc = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                          "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                          "kernel.shmmni", "kernel.shm_rmid_forced"};
  if (key.starts_with("net.")) return CLONE_NEWNET;
  if (key.starts_with("fs.mqueue.") || std::find(ipc.begin(), ipc.end(), key) != ipc.end()) return CLONE_NEWIPC;
  if (key == "kernel.domainname" || key == "kernel.hostname") return CLONE_NEWUTS;
  return 0;
}

void plan_sysctls(const oci::RuntimeSpec& spec, bool own_network, LaunchPlan& plan) {
  for (const auto& [written, value] : spec.sysctl) {
    // "net/ipv4/conf/eth0.1/x" and "net.ipv4.x": whichever separator comes first is the separator.
    std::string key = written;
    bool slashes = key.find('/') < key.find('.');
    std::string dots = key;
    if (slashes) {
      for (char& c : dots) c = c == '/' ? '.' : c == '.' ? '/' : c;
    }
    bool clean = !key.empty() && key.find('\0') == std::string::npos && key.find("..") == std::string::npos &&
                 key.find("//") == std::string::npos && key[0] != '/' && key[0] != '.';
    std::uint64_t owner = clean ? sysctl_namespace(dots) : 0;
    if (owner == 0)
      throw error(ErrorCode::invalid_argument, "sysctl {} does not belong to one container", quoted(written))
          .with_id("E-SYSCTL-REFUSED")
          .with_hint("set it on the host with sysctl -w");
    bool own = plan.new_namespace(owner) || (own_network && owner == CLONE_NEWNET);
    if (!own)
      throw error(ErrorCode::conflict, "sysctl {} would change the host or another container", quoted(written))
          .with_id("E-SYSCTL-REFUSED")
          .with_hint("give the container a namespace of its own for it");
    for (char& c : dots) c = c == '.' ? '/' : c == '/' ? '.' : c;
    plan.sysctls.push_back({dots, value});
  }
}

kernel::CapSet caps_of(const std::vector<std::string>& names) {
  kernel::CapSet set = 0;
  for (const auto& name : names) {
    auto n = kernel::cap_number(name);
    if (!n)
      throw error(ErrorCode::invalid_argument, "capability {} is not known", quoted(name)).with_id("E-CAP-UNKNOWN");
    set |= kernel::cap_bit(*n);
  }
  return set;
}

void plan_process(const PrepareRequest& request, const HostFacts& facts, LaunchPlan& plan) {
  const oci::SpecProcess& p = request.spec.process;
  plan.user = request.user;
  plan.groups = request.groups;
  if (!request.user.empty()) check_user(request.user);
  plan.uid = p.uid;
  plan.gid = p.gid;
  plan.gids = p.additional_gids;
  plan.args = p.args;
  plan.env = p.env;
  plan.cwd = p.cwd.empty() ? "/" : p.cwd;
  if (plan.cwd[0] != '/')
    throw error(ErrorCode::invalid_argument, "working directory {} is not absolute", quoted(plan.cwd))
        .with_id("E-WORKDIR");
  if (p.umask) plan.umask = *p.umask & 07777;
  if (plan.args.empty() || plan.args[0].empty())
    throw Error(ErrorCode::invalid_argument, "no command to run")
        .with_id("E-NO-COMMAND")
        .with_hint("the image names none: put one behind the image");
  for (const auto& list : {plan.args, plan.env})
    for (const auto& s : list)
      if (s.find('\0') != std::string::npos)
        throw Error(ErrorCode::invalid_argument, "arguments and environment cannot hold a NUL byte");
  plan.caps = caps_of(p.capabilities.bounding);
  if ((plan.caps & ~facts.caps) != 0)
    throw error(ErrorCode::failed_precondition, "{} cannot be given: servin does not have it itself here",
                kernel::cap_names(plan.caps & ~facts.caps)[0]);
  plan.no_new_privs = p.no_new_privileges;
  plan.init = request.init;
}

std::uint32_t rlimit_number(const std::string& type) {
  static constexpr std::array<std::pair<std::string_view, int>, 16> known = {{{"RLIMIT_CPU", RLIMIT_CPU},
                                                                              {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                                                              {"RLIMIT_DATA", RLIMIT_DATA},
                                                                              {"RLIMIT_STACK", RLIMIT_STACK},
                                                                              {"RLIMIT_CORE", RLIMIT_CORE},
                                                                              {"RLIMIT_RSS", RLIMIT_RSS},
                                                                              {"RLIMIT_NPROC", RLIMIT_NPROC},
                                                                              {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                                                              {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                                                              {"RLIMIT_AS", RLIMIT_AS},
                                                                              {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                                                              {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                                                                              {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                                                              {"RLIMIT_NICE", RLIMIT_NICE},
                                                                              {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                                                              {"RLIMIT_RTTIME", RLIMIT_RTTIME}}};
  for (const auto& [name, number] : known)
    if (name == type) return static_cast<std::uint32_t>(number);
  throw error(ErrorCode::invalid_argument, "limit {} is not known", quoted(type));
}

std::string limit_text(std::uint64_t value) { return value == RLIM_INFINITY ? "unlimited" : std::to_string(value); }

void plan_rlimits(const oci::RuntimeSpec& spec, const HostFacts& facts, Planned& out) {
  for (const auto& wanted : spec.process.rlimits) {
    RlimitPlan limit{rlimit_number(wanted.type), wanted.soft, wanted.hard};
    if (limit.soft > limit.hard)
      throw error(ErrorCode::invalid_argument, "{}: the soft limit {} is above the hard limit {}", wanted.type,
                  limit_text(limit.soft), limit_text(limit.hard));
    std::uint64_t top = facts.limits[limit.resource].hard;
    if (limit.hard > top && !facts.has_cap(cap_sys_resource)) {
      out.warnings.push_back(fmt::format("{} {} reduced to {}: servin may not raise its own limits here",
                                         lower(wanted.type.substr(7)), limit_text(limit.hard), limit_text(top)));
      limit.hard = top;
      limit.soft = std::min(limit.soft, top);
    }
    out.plan.rlimits.push_back(limit);
  }
}

void plan_oom_score(const oci::RuntimeSpec& spec, const HostFacts& facts, Planned& out) {
  if (!spec.process.oom_score_adj) return;
  int wanted = *spec.process.oom_score_adj;
  if (wanted < -1000 || wanted > 1000)
    throw error(ErrorCode::invalid_argument, "oom score {} is not between -1000 and 1000", wanted);
  if (wanted < facts.oom_score_adj && !facts.has_cap(cap_sys_resource)) {
    out.warnings.push_back(
        fmt::format("oom score {} raised to {}: servin may not lower its own here", wanted, facts.oom_score_adj));
    wanted = facts.oom_score_adj;
  }
  out.plan.has_oom_score_adj = true;
  out.plan.oom_score_adj = wanted;
}

}  // namespace

Planned plan(const PrepareRequest& request, const HostFacts& facts) {
  if (!is_full_id(request.id)) throw error(ErrorCode::invalid_argument, "{} is no container id", quoted(request.id));
  if (!request.spec.uid_mappings.empty() || !request.spec.gid_mappings.empty())
    throw Error(ErrorCode::unsupported, "user namespaces are not built yet");
  Planned out;
  out.plan.id = request.id;
  plan_namespaces(request.spec, out.plan);
  for (const auto& donor : request.donors) out.plan.donors.push_back({donor.pid, donor.start});
  plan_rootfs(request, out.plan);
  plan_mounts(request, out.plan);
  plan_devices(request.spec, out.plan);
  plan_sysctls(request.spec, request.own_network, out.plan);
  plan_process(request, facts, out.plan);
  plan_rlimits(request.spec, facts, out);
  plan_oom_score(request.spec, facts, out);
  if (request.spec.cgroups_path.empty() && !request.spec.resources.devices.empty())
    throw Error(ErrorCode::invalid_argument, "rules for devices need a cgroup path");
  if (!request.spec.cgroups_path.empty())
    out.plan.cgroups = plan_cgroups(request.spec.cgroups_path, request.spec.resources, facts, out.warnings);
  if (request.spec.seccomp.profile == "default") out.plan.seccomp = default_seccomp(out.plan.caps);
  return out;
}

}  // namespace servin::runtime
