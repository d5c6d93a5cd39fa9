// SPDX-License-Identifier: Apache-2.0
// LaunchPlan as bytes.
#include "runtime/linux/plan.h"

namespace servin::runtime {
namespace {

// One list of fields per structure, for both directions.
template <typename Visit>
void fields(auto& s, Visit&& visit)
  requires requires { s.devices_bpf; }
{
  visit(s.v2, s.mount, s.path, s.controllers, s.files, s.devices_bpf);
}

template <typename Visit>
void fields(auto& s, Visit&& visit)
  requires requires { s.no_new_privs; }
{
  visit(s.version, s.id, s.hostname, s.domainname, s.namespaces, s.donors, s.lowers, s.upper, s.work, s.mount_point,
        s.volatile_, s.root_readonly, s.copy_up, s.mounts, s.dev_defaults, s.devices, s.masked_paths, s.readonly_paths,
        s.sysctls, s.user, s.groups, s.uid, s.gid, s.gids, s.args, s.env, s.cwd, s.umask, s.caps, s.no_new_privs,
        s.seccomp, s.rlimits, s.has_oom_score_adj, s.oom_score_adj, s.init, s.cgroups);
}

template <typename... T>
void put_all(RecordWriter& w, const T&... items) {
  (w.put(items), ...);
}
template <typename... T>
void get_all(RecordReader& r, T&... items) {
  (r.get(items), ...);
}

}  // namespace

void KeyValue::write(RecordWriter& w) const { put_all(w, key, value); }
void KeyValue::read(RecordReader& r) { get_all(r, key, value); }
void NamespacePlan::write(RecordWriter& w) const { put_all(w, flag, path); }
void NamespacePlan::read(RecordReader& r) { get_all(r, flag, path); }
void DonorPlan::write(RecordWriter& w) const { put_all(w, pid, start); }
void DonorPlan::read(RecordReader& r) { get_all(r, pid, start); }
void MountPlan::write(RecordWriter& w) const {
  put_all(w, kind, type, source, target, options, set, clear, propagation, recursive, recursive_attributes,
          propagation_recursive, subpath, owner_to_user, lowers);
}
void MountPlan::read(RecordReader& r) {
  get_all(r, kind, type, source, target, options, set, clear, propagation, recursive, recursive_attributes,
          propagation_recursive, subpath, owner_to_user, lowers);
}
void DevicePlan::write(RecordWriter& w) const { put_all(w, path, mode, major, minor, uid, gid); }
void DevicePlan::read(RecordReader& r) { get_all(r, path, mode, major, minor, uid, gid); }
void RlimitPlan::write(RecordWriter& w) const { put_all(w, resource, soft, hard); }
void RlimitPlan::read(RecordReader& r) { get_all(r, resource, soft, hard); }
void CopyUpPlan::write(RecordWriter& w) const { put_all(w, volume_dir, target); }
void CopyUpPlan::read(RecordReader& r) { get_all(r, volume_dir, target); }
void CgroupPlan::write(RecordWriter& w) const {
  fields(*this, [&](const auto&... f) { put_all(w, f...); });
}
void CgroupPlan::read(RecordReader& r) {
  fields(*this, [&](auto&... f) { get_all(r, f...); });
}

bool LaunchPlan::new_namespace(std::uint64_t flag) const {
  for (const auto& ns : namespaces)
    if (ns.flag == flag) return ns.path.empty();
  return false;
}

std::string LaunchPlan::bytes() const {
  RecordWriter w;
  fields(*this, [&](const auto&... f) { put_all(w, f...); });
  return w.take();
}

LaunchPlan LaunchPlan::parse(std::string_view bytes) {
  LaunchPlan plan;
  RecordReader r(bytes);
  fields(plan, [&](auto&... f) { get_all(r, f...); });
  if (!r.at_end() || plan.version != LaunchPlan().version)
    throw Error(ErrorCode::data_loss, "launch plan is damaged or of another version");
  return plan;
}

}  // namespace servin::runtime
