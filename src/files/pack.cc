// SPDX-License-Identifier: Apache-2.0
#include "files/pack.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::files {
namespace {

using archive::TarEntry;
using archive::TarType;

constexpr std::size_t piece = 256U << 10U;
constexpr std::size_t most_made_up = 16U << 20U;  // of a file of procfs, whose size only reading tells
constexpr std::size_t most_pieces = 1U << 20U;    // of a sparse file; beyond it is written whole

std::string by_descriptor(const Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

// overlayfs's own marks mean nothing in another tree; ACLs and MAC labels belong to the host.
bool is_kept(std::string_view name) {
  if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) return false;
  if (name.find('=') != std::string_view::npos) return false;  // PAX has no way to write it
  return name.starts_with("user.") || name.starts_with("trusted.") || name == "security.capability";
}

std::string read_xattr(const std::string& path, const char* name) {
  std::string value(64U << 10U, '\0');
  ssize_t n = ::getxattr(path.c_str(), name, value.data(), value.size());
  value.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return value;
}

std::vector<std::pair<std::string, std::string>> read_xattrs(const Fd& fd) {
  std::vector<std::pair<std::string, std::string>> found;
  std::string path = by_descriptor(fd);
  char names[16384];
  ssize_t size = ::listxattr(path.c_str(), names, sizeof names);
  std::string_view rest(names, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!rest.empty()) {
    std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (is_kept(name)) found.emplace_back(name, read_xattr(path, name.c_str()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<archive::SparseChunk> data_of(const Fd& file, std::uint64_t size) {
  std::vector<archive::SparseChunk> chunks;
  std::uint64_t at = 0;
  while (at < size) {
    off_t data = ::lseek(file.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return chunks;
    off_t hole = data < 0 ? -1 : ::lseek(file.get(), data, SEEK_HOLE);
    bool usable = hole >= 0 && chunks.size() < most_pieces;
    if (!usable) return {{0, size}};
    // In whole blocks, as GNU tar wants them.
    auto begin = static_cast<std::uint64_t>(data) / 512 * 512;
    at = std::min((static_cast<std::uint64_t>(hole) + 511) / 512 * 512, size);
    if (!chunks.empty() && begin < chunks.back().offset + chunks.back().length) return {{0, size}};
    if (at > begin) chunks.push_back({begin, at - begin});
  }
  return chunks;
}

}  // namespace

PackSource::PackSource(Fd top, PackOptions options)
    : options_(std::move(options)), walker_(std::move(top), options_.name), writer_(ready_) {
  options_.bare = options_.bare || options_.layer;
}

std::size_t PackSource::read(void* buffer, std::size_t n) {
  while (given_ == out_.size()) {
    if (at_end_) return 0;
    while (ready_.text().size() < piece && !at_end_) advance();
    out_ = ready_.take();
    given_ = 0;
  }
  n = std::min(n, out_.size() - given_);
  std::memcpy(buffer, out_.data() + given_, n);
  given_ += n;
  return n;
}

void PackSource::advance() {
  if (file_) return add_piece();
  auto v = walker_.next();
  if (!v) {
    writer_.finish();
    at_end_ = true;
    return;
  }
  try {
    add(*v);
  } catch (Error& e) {
    if (e.message().find(printable(v->path)) == std::string::npos) e.context(quoted(printable(v->path)));
    throw;
  }
}

std::string PackSource::shown_path(const std::string& path) const {
  return options_.bare && path.starts_with("./") ? path.substr(2) : path;
}

TarEntry PackSource::describe(const Walker::Visit& v, const std::string& path) {
  TarEntry entry;
  entry.path = path;
  entry.mode = v.st.st_mode & 07777U;
  entry.uid = v.st.st_uid;
  entry.gid = v.st.st_gid;
  entry.mtime = v.st.st_mtim.tv_sec;
  entry.mtime_ns = static_cast<std::uint32_t>(v.st.st_mtim.tv_nsec);
  entry.xattrs = read_xattrs(v.fd);
  return entry;
}

void PackSource::add(Walker::Visit& v) {
  bool is_folder = S_ISDIR(v.st.st_mode);
  if (options_.leave_out && options_.leave_out(v)) return is_folder ? walker_.skip_below() : void();
  if (S_ISSOCK(v.st.st_mode) || (options_.layer && add_whiteout(v))) return;
  TarEntry entry = describe(v, shown_path(v.path));
  if (!is_folder && v.st.st_nlink > 1) {
    auto [known, fresh] = links_.try_emplace({v.st.st_dev, v.st.st_ino}, entry.path);
    if (!fresh) {
      entry.type = TarType::hard_link;
      entry.link = known->second;
      entry.xattrs.clear();
      return writer_.begin(entry);
    }
  }
  if (S_ISREG(v.st.st_mode)) return add_file(v, std::move(entry));
  if (is_folder) {
    entry.type = TarType::directory;
    if (!options_.bare || v.depth > 0) writer_.begin(entry);
    if (options_.layer) add_opaque(v);
    bool other = v.depth > 0 && v.st.st_dev != device_;
    if (v.depth == 0) device_ = v.st.st_dev;
    if (other && (options_.one_file_system || is_made_by_kernel(v.fd))) walker_.skip_below();
    return;
  }
  if (S_ISLNK(v.st.st_mode)) {
    entry.type = TarType::symlink;
    entry.link = link_target(v.fd, v.path);
  } else {
    entry.type = S_ISFIFO(v.st.st_mode)  ? TarType::fifo
                 : S_ISCHR(v.st.st_mode) ? TarType::char_device
                                         : TarType::block_device;
    entry.dev_major = S_ISFIFO(v.st.st_mode) ? 0 : major(v.st.st_rdev);
    entry.dev_minor = S_ISFIFO(v.st.st_mode) ? 0 : minor(v.st.st_rdev);
  }
  writer_.begin(entry);
}

void PackSource::add_file(Walker::Visit& v, TarEntry entry) {
  Fd file = reopen(v.fd, O_RDONLY | O_NONBLOCK, quoted(printable(v.path)));
  struct stat st{};
  if (::fstat(file.get(), &st) != 0) throw_errno("look at {}", quoted(printable(v.path)));
  if (st.st_size == 0 && is_made_by_kernel(file)) return add_made_up_file(v, std::move(entry));
  entry.size = static_cast<std::uint64_t>(st.st_size);
  pieces_ = {{0, entry.size}};
  bool has_holes = static_cast<std::uint64_t>(st.st_blocks) * 512 < entry.size;
  if (options_.sparse && has_holes) {
    pieces_ = data_of(file, entry.size);
    entry.is_sparse = true;
    entry.chunks = pieces_;
  }
  std::erase_if(pieces_, [](const archive::SparseChunk& chunk) { return chunk.length == 0; });
  std::reverse(pieces_.begin(), pieces_.end());
  writer_.begin(entry);
  if (pieces_.empty()) return;
  file_ = std::move(file);
  file_path_ = v.path;
}

void PackSource::add_made_up_file(const Walker::Visit& v, TarEntry entry) {
  Fd file = reopen(v.fd, O_RDONLY | O_NONBLOCK, quoted(printable(v.path)));
  writer_.add(std::move(entry), read_all(file, most_made_up, quoted(printable(v.path))));
}

// The size was promised: what a file loses meanwhile is zeros, what it gains is left out.
void PackSource::add_piece() {
  archive::SparseChunk& chunk = pieces_.back();
  std::string bytes(std::min<std::uint64_t>(chunk.length, piece), '\0');
  ssize_t n = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(chunk.offset));
  if (n < 0 && errno == EINTR) return;
  if (n < 0) throw_errno("read {}", quoted(printable(file_path_)));
  if (n > 0) bytes.resize(static_cast<std::size_t>(n));
  writer_.write(bytes);
  chunk.offset += bytes.size();
  chunk.length -= bytes.size();
  if (chunk.length == 0) pieces_.pop_back();
  if (pieces_.empty()) file_.reset();
}

bool PackSource::add_whiteout(const Walker::Visit& v) {
  if (!is_whiteout(v.st)) return false;
  std::string path = shown_path(v.path);
  auto slash = path.rfind('/') + 1;  // npos + 1 is 0
  TarEntry entry;
  entry.path = path.substr(0, slash) + ".wh." + path.substr(slash);
  entry.mode = 0;
  writer_.add(entry);
  return true;
}

void PackSource::add_opaque(const Walker::Visit& v) {
  // Only a kernel that was told so makes these; their content lies elsewhere.
  if (!read_xattr(by_descriptor(v.fd), "trusted.overlay.redirect").empty())
    throw error(ErrorCode::unsupported, "{} was renamed in a way that a layer cannot say", quoted(printable(v.path)))
        .with_hint("switch redirect_dir of the kernel's module overlay off");
  if (!is_opaque(v.fd)) return;
  TarEntry entry;
  entry.path = (v.depth == 0 ? "" : shown_path(v.path) + "/") + ".wh..wh..opq";
  entry.mode = 0;
  writer_.add(entry);
}

}  // namespace servin::files
