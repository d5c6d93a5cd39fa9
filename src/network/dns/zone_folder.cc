// SPDX-License-Identifier: Apache-2.0
#include "network/dns/zone_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <unistd.h>

#include "base/error.h"

namespace servin::dns {
namespace {

constexpr std::size_t names_limit = 16U << 20U;  // 65,000 containers with long names

std::set<std::string> folders_of(const Fd& parent) {
  std::set<std::string> names;
  Fd copy(::openat(parent.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return names;
  DIR* stream = ::fdopendir(copy.get());
  if (stream == nullptr) return names;
  copy.release();
  while (const dirent* entry = ::readdir(stream))
    if (entry->d_name[0] != '.') names.insert(entry->d_name);
  ::closedir(stream);
  return names;
}

}  // namespace

FileStamp FileStamp::from(const struct stat& s) {
  auto ns = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return {s.st_dev, s.st_ino, ns(s.st_mtim), ns(s.st_ctim), s.st_size};
}

ZoneFolder::ZoneFolder(const std::string& dir)
    : dir_(open_file(dir, O_RDONLY | O_DIRECTORY)),
      parent_(open_file(dir.substr(0, dir.rfind('/')), O_RDONLY | O_DIRECTORY)),
      name_(dir.substr(dir.rfind('/') + 1)) {}

void ZoneFolder::refresh(Entry& entry, const Fd& dir, const std::string& path) {
  struct stat s{};
  FileStamp now = ::fstatat(dir.get(), path.c_str(), &s, 0) == 0 ? FileStamp::from(s) : FileStamp{};
  if (now == entry.stamp) return;
  entry.stamp = now;
  Fd file(::openat(dir.get(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    entry.zone = Zone();
    return;
  }
  try {
    // The stamp of what is read: the file may have been replaced since the look above.
    if (::fstat(file.get(), &s) == 0) entry.stamp = FileStamp::from(s);
    entry.zone = Zone(parse_names(read_all(file, names_limit, path)));
  } catch (const Error&) {
    entry.zone = Zone();
  }
}

const Zone& ZoneFolder::own() {
  refresh(own_, dir_, "names");
  return own_.zone;
}

void ZoneFolder::list_others() {
  struct stat s{};
  if (::fstat(parent_.get(), &s) != 0 || FileStamp::from(s) == parent_stamp_) return;
  parent_stamp_ = FileStamp::from(s);
  auto names = folders_of(parent_);
  names.erase(name_);
  std::erase_if(others_, [&](const auto& entry) { return !names.contains(entry.first); });
  for (const auto& name : names) others_.try_emplace(name);
}

std::vector<const Zone*> ZoneFolder::others_of(const std::string& container_id) {
  list_others();
  std::vector<const Zone*> found;
  for (auto& [name, entry] : others_) {
    refresh(entry, parent_, name + "/names");
    if (entry.zone.has_container(container_id)) found.push_back(&entry.zone);
  }
  return found;
}

}  // namespace servin::dns
