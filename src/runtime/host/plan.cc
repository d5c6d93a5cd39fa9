// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/plan.h"

#include <algorithm>
#include <array>

#include <sys/resource.h>

#include "base/error.h"
#include "base/strings.h"
#include "runtime/defaults.h"

namespace servin::runtime {
namespace {

constexpr std::uint32_t host_plan_magic = 0x31706853;  // "Shp1"

Error without_isolation(std::string_view what) {
  return error(ErrorCode::unsupported, "{} cannot be had without isolation", what)
      .with_id("E-NO-ISOLATION")
      .with_hint("run it as root with --isolation namespace, or leave this option out");
}

void refuse_limits(const oci::SpecResources& r) {
  if (r.memory_limit || r.memory_swap || r.memory_reservation || r.oom_kill_disable.value_or(false))
    throw without_isolation("a memory limit");
  if (r.cpu_shares || r.cpu_period || r.cpu_quota || !r.cpuset_cpus.empty() || !r.cpuset_mems.empty())
    throw without_isolation("a CPU limit");
  if (r.blkio_weight) throw without_isolation("a disk weight");
  if (r.pids_limit && *r.pids_limit > 0 && *r.pids_limit != default_pids_limit)
    throw without_isolation("a limit of processes");
}

bool is_kernel_place(std::string_view target) {
  for (std::string_view place : {"/proc", "/sys", "/dev"})
    if (target == place || (target.starts_with(place) && target[place.size()] == '/')) return true;
  return false;
}

bool is_name_file(std::string_view target) {
  return target == "/etc/hosts" || target == "/etc/hostname" || target == "/etc/resolv.conf";
}

bool has(const oci::SpecMount& m, std::string_view option) {
  return std::find(m.options.begin(), m.options.end(), option) != m.options.end();
}

void plan_mounts(const oci::RuntimeSpec& spec, bool root, HostPlan& plan) {
  for (const oci::SpecMount& m : spec.mounts) {
    bool bind = m.type == "bind" || has(m, "bind") || has(m, "rbind");
    // /dev, /proc and /sys are the host's; so are its name files.
    if (m.type == "overlay" || !m.subpath.empty() || m.owner_to_user)
      throw without_isolation("the mount of an image, a part of a volume or mapped ids on " + m.destination);
    if (!bind && (m.type != "tmpfs" || is_kernel_place(m.destination))) continue;
    if (bind && is_kernel_place(m.destination) && m.source == m.destination) continue;
    if (is_name_file(m.destination)) continue;
    if (!root) throw without_isolation("the mount on " + m.destination);
    HostMount mount{bind ? m.source : "", m.destination, "", has(m, "ro") || has(m, "rro"), !has(m, "bind")};
    std::vector<std::string> data;
    for (const std::string& option : m.options)
      if (!bind && option.find('=') != std::string::npos) data.push_back(option);
    mount.options = join(data, ",");
    plan.mounts.push_back(std::move(mount));
  }
}

std::uint32_t resource_number(const std::string& type) {
  static constexpr std::array<std::pair<std::string_view, int>, 15> known{{{"RLIMIT_CORE", RLIMIT_CORE},
                                                                           {"RLIMIT_CPU", RLIMIT_CPU},
                                                                           {"RLIMIT_DATA", RLIMIT_DATA},
                                                                           {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                                                           {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                                                           {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                                                           {"RLIMIT_NPROC", RLIMIT_NPROC},
                                                                           {"RLIMIT_RSS", RLIMIT_RSS},
                                                                           {"RLIMIT_STACK", RLIMIT_STACK},
                                                                           {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                                                           {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                                                           {"RLIMIT_NICE", RLIMIT_NICE},
                                                                           {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                                                           {"RLIMIT_RTTIME", RLIMIT_RTTIME},
                                                                           {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}}};
  for (auto [name, number] : known)
    if (name == type) return static_cast<std::uint32_t>(number);
  throw error(ErrorCode::invalid_argument, "limit {} is not known", quoted(type));
}

}  // namespace

void HostMount::write(RecordWriter& w) const {
  w.put(source);
  w.put(target);
  w.put(options);
  w.put(read_only);
  w.put(recursive);
}
void HostMount::read(RecordReader& r) {
  r.get(source);
  r.get(target);
  r.get(options);
  r.get(read_only);
  r.get(recursive);
}
void ResourceLimit::write(RecordWriter& w) const {
  w.put(resource);
  w.put(soft);
  w.put(hard);
}
void ResourceLimit::read(RecordReader& r) {
  r.get(resource);
  r.get(soft);
  r.get(hard);
}

std::string HostPlan::bytes() const {
  RecordWriter w;
  w.put(host_plan_magic);
  w.put(id);
  w.put(args);
  w.put(env);
  w.put(cwd);
  w.put(user);
  w.put(groups);
  w.put(lowers);
  w.put(upper);
  w.put(work);
  w.put(mount_point);
  w.put(volatile_);
  w.put(mounts);
  w.put(limits);
  return w.take();
}

HostPlan HostPlan::parse(std::string_view bytes) {
  RecordReader r(bytes);
  if (r.get<std::uint32_t>() != host_plan_magic)
    throw Error(ErrorCode::data_loss, "the launch plan is none of the host runtime");
  HostPlan p;
  r.get(p.id);
  r.get(p.args);
  r.get(p.env);
  r.get(p.cwd);
  r.get(p.user);
  r.get(p.groups);
  r.get(p.lowers);
  r.get(p.upper);
  r.get(p.work);
  r.get(p.mount_point);
  r.get(p.volatile_);
  r.get(p.mounts);
  r.get(p.limits);
  return p;
}

HostPlan plan_on_host(const PrepareRequest& q, bool root) {
  const oci::SpecProcess& process = q.spec.process;
  if (process.args.empty()) throw Error(ErrorCode::invalid_argument, "no command to run");
  refuse_limits(q.spec.resources);
  if (q.spec.root_readonly) throw without_isolation("a read-only root");
  HostPlan p;
  p.id = q.id;
  p.args = process.args;
  p.env = process.env;
  p.env.push_back(std::string(id_variable) + q.id);
  p.cwd = process.cwd.empty() ? "/" : process.cwd;
  p.user = q.user;
  p.groups = q.groups;
  p.lowers = q.rootfs.lowers;
  p.upper = q.rootfs.upper;
  p.work = q.rootfs.work;
  p.mount_point = q.rootfs.mount_point;
  p.volatile_ = q.rootfs.volatile_;
  plan_mounts(q.spec, root, p);
  for (const oci::SpecRlimit& l : process.rlimits) p.limits.push_back({resource_number(l.type), l.soft, l.hard});
  return p;
}

}  // namespace servin::runtime
