// SPDX-License-Identifier: Apache-2.0
#include "image/bundle.h"

#include <cerrno>
#include <fcntl.h>

#include <sys/stat.h>

#include "archive/tar_reader.h"
#include "base/error.h"
#include "base/strings.h"
#include "oci/docker_archive.h"
#include "os/path_open.h"

namespace servin::image {

namespace {

constexpr int max_links = 8;
/// An image archive has a handful of members for each layer. A tar with more, none of them known, is a root file
/// system: there is no need to remember its names.
constexpr std::size_t many_members = 20'000;
constexpr std::size_t max_memory = 16U << 20U;  // for their names

Error missing(const std::string& archive, const std::string& path) {
  return error(ErrorCode::invalid_argument, "{}: the archive has no file {}", archive, servin::quoted(printable(path)))
      .with_id("E-IMAGE-INVALID")
      .with_hint("the archive is cut short or incomplete: get or make it again");
}

/// The name as archive_path() gives it; empty when it is none.
std::string clean(std::string_view path) {
  try {
    return oci::archive_path(path, "tar");
  } catch (const Error&) {
    return "";
  }
}

/// A symlink's target, seen from the folder that it lies in. Empty when it leaves the archive.
std::string link_target(const std::string& path, const std::string& target) {
  if (target.starts_with('/')) return "";
  std::vector<std::string> parts = split(path, '/');
  parts.pop_back();
  for (const std::string& part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return "";
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return join(parts, "/");
}

}  // namespace

std::string Bundle::read(const std::string& path, std::size_t limit) const {
  auto source = open(path);
  return archive::read_to_end(*source, limit, path);
}

TarBundle::TarBundle(const Fd& file, std::string name) : file_(file), name_(std::move(name)) {
  struct stat st{};
  if (::fstat(file.get(), &st) != 0) throw_errno("read {}", name_);
  // By pread: the descriptor's position stays where it is.
  archive::RangeSource source(file, 0, static_cast<std::uint64_t>(st.st_size), name_);
  archive::TarReader reader(source);
  archive::TarEntry entry;
  std::size_t count = 0, memory = 0;
  while (reader.next(entry)) {
    ++count;
    if (count > many_members || memory > max_memory) {
      if (!has("manifest.json") && !has("oci-layout")) return;
      throw error(ErrorCode::resource_exhausted, "{}: the archive has too many members for an image", name_)
          .with_id("E-ARCHIVE-LIMIT");
    }
    std::string path = clean(entry.path);
    if (path.empty()) continue;
    memory += path.size() + entry.link.size() + sizeof(Member);
    Member member;
    if (entry.type == archive::TarType::file) {
      member = {reader.data_offset(), entry.size, "", !entry.is_sparse};
    } else if (entry.type == archive::TarType::hard_link) {
      member.link = clean(entry.link);
    } else if (entry.type == archive::TarType::symlink) {
      member.link = link_target(path, entry.link);
    }
    members_[path] = std::move(member);
  }
  if (count == 0) throw error(ErrorCode::invalid_argument, "{}: an empty archive", name_).with_id("E-IMAGE-INVALID");
}

const TarBundle::Member* TarBundle::look_up(std::string path) const {
  for (int hops = 0; hops <= max_links; ++hops) {
    auto found = members_.find(path);
    if (found == members_.end()) return nullptr;
    if (found->second.link.empty()) return found->second.usable ? &found->second : nullptr;
    path = found->second.link;
  }
  return nullptr;
}

const TarBundle::Member& TarBundle::require(const std::string& path) const {
  const Member* member = look_up(path);
  if (member == nullptr) throw missing(name_, path);
  return *member;
}

bool TarBundle::has(const std::string& path) const { return look_up(path) != nullptr; }
std::uint64_t TarBundle::size(const std::string& path) const { return require(path).size; }

std::unique_ptr<archive::ByteSource> TarBundle::open(const std::string& path) const {
  const Member& member = require(path);
  return std::make_unique<archive::RangeSource>(file_, member.offset, member.size, name_ + ": " + printable(path));
}

Fd FolderBundle::open_regular(const std::string& path) const {
  // O_NONBLOCK: a fifo in place of a file must not make us wait.
  Fd fd = try_open_in_root(folder_, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, Links::none);
  struct stat st{};
  if (!fd && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) throw_errno("open {}/{}", name_, path);
  if (fd && (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))) fd.reset();
  return fd;
}

bool FolderBundle::has(const std::string& path) const { return open_regular(path).is_open(); }

std::uint64_t FolderBundle::size(const std::string& path) const {
  Fd fd = open_regular(path);
  struct stat st{};
  if (!fd) throw missing(name_, path);
  if (::fstat(fd.get(), &st) != 0) throw_errno("read {}/{}", name_, path);
  return static_cast<std::uint64_t>(st.st_size);
}

std::unique_ptr<archive::ByteSource> FolderBundle::open(const std::string& path) const {
  Fd fd = open_regular(path);
  if (!fd) throw missing(name_, path);
  return std::make_unique<archive::FdSource>(std::move(fd), name_ + "/" + path);
}

}  // namespace servin::image
