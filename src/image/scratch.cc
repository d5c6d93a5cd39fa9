// SPDX-License-Identifier: Apache-2.0
#include "image/scratch.h"

#include <cerrno>
#include <cstdio>

#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::image {

Scratch::Scratch(const Paths& paths) {
  static const ProcessId self = this_process();
  make_dirs(paths.tmp());
  path_ = fmt::format("{}/{}-{}-{}", paths.tmp(), self.pid, self.start, hex(random_bytes(6)));
  // What is unpacked inside may hold setuid programs: nobody but root gets past this folder.
  if (::mkdir(path_.c_str(), 0700) != 0) throw_errno("make folder {}", path_);
}

Scratch::Scratch(Scratch&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }

Scratch::~Scratch() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const std::exception& e) {
    log::warn("clean up: {}", e.what());
  }
}

std::optional<ProcessId> scratch_owner(const std::string& name) {
  std::vector<std::string> parts = split(name, '-');
  if (parts.size() != 3) return std::nullopt;
  auto pid = parse_u64(parts[0]);
  auto start = parse_u64(parts[1]);
  if (!pid || !start || *pid == 0 || *pid > INT32_MAX) return std::nullopt;
  return ProcessId{static_cast<pid_t>(*pid), *start};
}

std::size_t sweep_scratch(const Paths& paths) {
  std::size_t count = 0;
  for (const std::string& name : list_dir(paths.tmp())) {
    auto owner = scratch_owner(name);
    if (!owner || is_alive(*owner)) continue;
    // The rename says which of several sweepers removes it.
    std::string mine = paths.trash() + "/" + hex(random_bytes(12));
    make_dirs(paths.trash());
    if (::rename((paths.tmp() + "/" + name).c_str(), mine.c_str()) != 0) {
      if (errno == ENOENT) continue;
      throw_errno("sweep {}/{}", paths.tmp(), name);
    }
    remove_tree(mine);
    ++count;
  }
  return count;
}

bool move_to_trash(const Paths& paths, const std::string& path) {
  std::string to = paths.trash() + "/" + hex(random_bytes(12));
  if (::rename(path.c_str(), to.c_str()) == 0) return true;
  if (errno == ENOENT) {
    if (!path_exists(path)) return false;
    try {
      make_dirs(paths.trash());
    } catch (const Error& e) {
      if (e.code() != ErrorCode::resource_exhausted) throw;
    }
    if (::rename(path.c_str(), to.c_str()) == 0) return true;
  }
  // On a full disk even a name in a folder may have no room; what was to go then goes at once and makes some.
  if (errno != ENOSPC && errno != EDQUOT && errno != ENOENT) throw_errno("move {} to {}", path, paths.trash());
  bool there = path_exists(path);
  remove_tree(path);
  return there;
}

}  // namespace servin::image
