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

namespace {

std::string trash_lock(const Paths& paths) { return paths.run + "/trash.lock"; }

/// False: another process is at it.
bool empty_alone(const Paths& paths, const std::function<void()>& empty) {
  std::optional<FileLock> held;
  try {
    make_dirs(paths.run);
    held = FileLock::try_acquire(trash_lock(paths));
    if (!held) return false;
  } catch (const Error& e) {
    // The lock only saves work. A disk that is too full for its file needs the emptying most.
    if (e.code() != ErrorCode::resource_exhausted) throw;
  }
  empty();
  return true;
}

}  // namespace

void sweep_trash(const Paths& paths, const std::function<void()>& empty) {
  if (!path_exists(paths.trash())) return;
  for (std::vector<std::string> before;;) {
    if (!empty_alone(paths, empty)) return;
    std::vector<std::string> left = list_dir(paths.trash());
    if (left.empty() || left == before) return;  // what cannot go now waits for the next sweep
    before = std::move(left);
  }
}

bool needs_sweeping(const Paths& paths) {
  try {
    for (const std::string& name : list_dir(paths.tmp()))
      if (auto owner = scratch_owner(name); owner && !is_alive(*owner)) return true;
    if (list_dir(paths.trash()).empty()) return false;
    make_dirs(paths.run);  // gone at a reboot, the trash is not
    return FileLock::try_acquire(trash_lock(paths)).has_value();
  } catch (const Error& e) {
    log::debug("look into the trash: {}", e.what());  // a file system that cannot be written: nothing can be done
    return false;
  }
}

}  // namespace servin::image
