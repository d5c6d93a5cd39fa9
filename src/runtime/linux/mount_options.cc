// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/mount_options.h"

#include <algorithm>
#include <array>

#include <linux/mount.h>

#include "base/error.h"
#include "base/strings.h"

// <sys/mount.h> and <linux/mount.h> cannot be included together with glibc 2.36; these are stable kernel numbers.
namespace servin::runtime {
namespace {

struct AttributeWord {
  std::string_view word;
  std::uint64_t set, clear;
};

constexpr std::array<AttributeWord, 20> attribute_words = {{
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"atime", 0, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"defaults", 0, 0},
    {"async", 0, 0},
}};

bool apply_attribute(MountPlan& plan, std::string_view word) {
  bool recursive = word.size() > 1 && word[0] == 'r' && word != "ro" && word != "rw" && !word.starts_with("relatime");
  for (const auto& a : attribute_words) {
    if (a.word != word && !(recursive && a.word == word.substr(1))) continue;
    plan.recursive_attributes = plan.recursive_attributes || a.word != word;
    plan.set = (plan.set & ~a.clear) | a.set;
    // Clearing an attribute of a bind mount is asked for; a new mount has none to clear. Access times are one field.
    plan.clear = (plan.clear & ~a.set) | a.clear;
    return true;
  }
  return false;
}

bool is_kernel_filesystem(std::string_view type) {
  return type == "proc" || type == "sysfs" || type == "mqueue" || type == "devpts" || type == "tmpfs";
}

void check_target(const oci::SpecMount& m) {
  if (m.destination.empty() || m.destination[0] != '/' || m.destination.find('\0') != std::string::npos)
    throw error(ErrorCode::invalid_argument, "mount target {} is not an absolute path", quoted(m.destination));
  auto parts = split(m.destination, '/');
  bool root = std::all_of(parts.begin(), parts.end(), [](const std::string& p) { return p.empty() || p == "."; });
  if (root) throw Error(ErrorCode::invalid_argument, "nothing can be mounted over the container's root /");
}

void finish_bind(MountPlan& plan, const oci::SpecMount& m) {
  plan.kind = MountPlan::Kind::bind;
  plan.type = "bind";
  if (plan.source.empty() || plan.source[0] != '/')
    throw error(ErrorCode::invalid_argument, "mount source {} is not an absolute path", quoted(m.source));
  if (!plan.options.empty())
    throw error(ErrorCode::invalid_argument, "mount option {} means nothing for a bind mount",
                quoted(plan.options[0].key));
}

}  // namespace

std::uint64_t propagation_word(std::string_view word, bool& recursive) {
  recursive = word.starts_with("r");
  if (recursive) word.remove_prefix(1);
  constexpr std::uint64_t unbindable = 1 << 17, private_ = 1 << 18, slave = 1 << 19, shared = 1 << 20;
  if (word == "private") return private_;
  if (word == "slave") return slave;
  if (word == "shared") return shared;
  if (word == "unbindable") return unbindable;
  return 0;
}

MountPlan plan_mount(const oci::SpecMount& m) {
  check_target(m);
  MountPlan plan;
  plan.type = m.type;
  plan.source = m.source;
  plan.target = m.destination;
  plan.subpath = m.subpath;
  plan.owner_to_user = m.owner_to_user;
  plan.lowers = m.lowers;
  bool bind = m.type == "bind";
  for (const auto& word : m.options) {
    bool recursive = false;
    if (word == "bind" || word == "rbind") {
      bind = true;
      plan.recursive = word == "rbind";
    } else if (std::uint64_t p = propagation_word(word, recursive); p != 0) {
      plan.propagation = p;
      plan.propagation_recursive = recursive;
    } else if (!apply_attribute(plan, word)) {
      auto pair = split_once(word, '=');
      // fsconfig would read these as the path of a second source.
      std::string key = pair ? pair->first : word;
      if (key.empty() || key == "source")
        throw error(ErrorCode::invalid_argument, "mount option {} means nothing here", quoted(word));
      plan.options.push_back({key, pair ? pair->second : ""});
    }
  }
  if (bind) {
    finish_bind(plan, m);
  } else if (m.type == "cgroup" || m.type == "cgroup2") {
    plan.kind = MountPlan::Kind::cgroup;
    plan.options.clear();
  } else if (m.type == "overlay" && !m.lowers.empty()) {
    plan.kind = MountPlan::Kind::layers;
    plan.set |= MOUNT_ATTR_RDONLY;
  } else if (!is_kernel_filesystem(m.type)) {
    throw error(ErrorCode::unsupported, "mount type {} is not supported", quoted(m.type))
        .with_hint("mount it on the host and bind it");
  } else if (m.type == "tmpfs" && m.destination == "/dev") {
    plan.kind = MountPlan::Kind::dev;
  }
  if (!bind) {
    plan.clear = 0;                                                                         // a new mount
    std::erase_if(plan.options, [](const KeyValue& o) { return o.key == "newinstance"; });  // devpts always is one
  }
  return plan;
}

}  // namespace servin::runtime
