// SPDX-License-Identifier: Apache-2.0
#include "image/lease.h"

#include <fcntl.h>

#include "base/strings.h"

namespace servin::image {

namespace {
constexpr const char* claims_file = "claims";
constexpr std::size_t claims_limit = 64U << 20U;
}  // namespace

FileLock lock_store(const Paths& paths) {
  make_dirs(paths.root);
  return FileLock::acquire(paths.root + "/store.lock", "the image store", lock_patience);
}

void Lease::claim(const std::vector<std::string>& names) {
  FileLock lock = lock_store(paths_);
  std::string lines;
  for (const std::string& name : names) lines += name + "\n";
  Fd file = open_file(scratch_.path() + "/" + claims_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
  write_all(file, lines, scratch_.path() + "/" + claims_file);
}

std::set<std::string> leased(const Paths& paths) {
  std::set<std::string> names;
  for (const std::string& folder : list_dir(paths.tmp())) {
    auto owner = scratch_owner(folder);
    if (!owner || !is_alive(*owner)) continue;
    auto text = read_file(paths.tmp() + "/" + folder + "/" + claims_file, claims_limit);
    if (!text) continue;
    for (std::string& line : split(*text, '\n')) names.insert(std::move(line));
  }
  return names;
}

}  // namespace servin::image
