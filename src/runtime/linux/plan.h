// SPDX-License-Identifier: Apache-2.0
// runtime/linux: containers made of kernel namespaces. Three steps: plan() turns a request into a LaunchPlan (pure, all
// checks that need no root file system), the shim carries it out with launch(), and exec() joins a running one.
//
// A LaunchPlan is flat data, so that the shim needs no JSON, and stays readable by the engine for pause, exec and
// clean-up. It is written and read by programs of one version only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/record.h"
#include "runtime/linux/probe.h"
#include "runtime/runtime.h"

namespace servin::runtime {

struct KeyValue {
  std::string key, value;
  bool operator==(const KeyValue&) const = default;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct NamespacePlan {
  std::uint64_t flag = 0;  // CLONE_NEW*
  std::string path;        // "" = a new one, else joined
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

/// A process whose namespaces or files are used, by pid and start time.
struct DonorPlan {
  std::int32_t pid = 0;
  std::uint64_t start = 0;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct MountPlan {
  enum class Kind : std::uint8_t { bind, filesystem, dev, cgroup, layers };
  Kind kind = Kind::filesystem;
  std::string type, source, target;
  std::vector<KeyValue> options;      // of the file system; an empty value is a flag
  std::uint64_t set = 0, clear = 0;   // MOUNT_ATTR_*
  std::uint64_t propagation = 0;      // MS_PRIVATE ...; 0 = private
  bool recursive = false;             // bind with the mounts below
  bool recursive_attributes = false;  // attributes hold for those too
  bool propagation_recursive = false;
  std::string subpath;              // of the source, resolved inside it
  bool owner_to_user = false;       // ids are mapped so that the source's owner is the container's user
  std::vector<std::string> lowers;  // layers: folders, highest first
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct DevicePlan {
  std::string path;
  std::uint32_t mode = 0;  // with S_IFCHR, S_IFBLK or S_IFIFO
  std::uint32_t major = 0, minor = 0, uid = 0, gid = 0;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct RlimitPlan {
  std::uint32_t resource = 0;
  std::uint64_t soft = 0, hard = 0;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

/// One folder that the container gets in one hierarchy.
struct CgroupPlan {
  bool v2 = false;
  std::string mount;                     // of the hierarchy
  std::string path;                      // below it: "/servin-0a1b2c3d/ID"
  std::vector<std::string> controllers;  // v1: what the hierarchy carries; v2: what is switched on in the parents
  std::vector<KeyValue> files;           // limits, in this order
  std::string devices_bpf;               // v2: the device filter's program (struct bpf_insn[])
  std::string dir() const { return mount + path; }
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct CopyUpPlan {
  std::string volume_dir, target;
  void write(RecordWriter& w) const;
  void read(RecordReader& r);
};

struct LaunchPlan {
  std::uint32_t version = 1;
  std::string id, hostname, domainname;
  std::vector<NamespacePlan> namespaces;
  std::vector<DonorPlan> donors;

  std::vector<std::string> lowers;  // highest first
  std::string upper, work, mount_point;
  bool volatile_ = false;
  bool root_readonly = false;
  std::vector<CopyUpPlan> copy_up;
  std::vector<MountPlan> mounts;
  bool dev_defaults = true;  // nodes and links in the /dev that we mount
  std::vector<DevicePlan> devices;
  std::vector<std::string> masked_paths, readonly_paths;
  std::vector<KeyValue> sysctls;  // key with slashes: "net/ipv4/ip_forward"

  std::string user;  // as written; resolved at launch. Empty: uid, gid and groups below
  std::vector<std::string> groups;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> gids;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  std::uint32_t umask = 022;
  std::uint64_t caps = 0;  // bounding, permitted and effective; inheritable and ambient are always empty
  bool no_new_privs = false;
  std::string seccomp;  // struct sock_filter[]; empty = unconfined
  std::vector<RlimitPlan> rlimits;
  bool has_oom_score_adj = false;
  std::int32_t oom_score_adj = 0;
  bool init = false;

  std::vector<CgroupPlan> cgroups;

  bool new_namespace(std::uint64_t flag) const;
  std::string bytes() const;
  static LaunchPlan parse(std::string_view bytes);
};

struct Planned {
  LaunchPlan plan;
  std::vector<std::string> warnings;
};

/// Pure. Throws invalid_argument, unsupported or failed_precondition for what this host cannot do.
Planned plan(const PrepareRequest& request, const HostFacts& facts);

}  // namespace servin::runtime
