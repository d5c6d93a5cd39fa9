// SPDX-License-Identifier: Apache-2.0
#include "files/operations.h"

#include <cerrno>
#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "files/pack.h"
#include "files/unpack.h"
#include "files/walk.h"
#include "os/path_open.h"

namespace servin::files {
namespace {

[[noreturn]] void fail(int err, const std::string& path, const std::string& what) {
  if (err == ENOENT)
    throw error(ErrorCode::not_found, "{}: there is no {} in the container", what, shown(path))
        .with_errno(err)
        .with_id("E-PATH-NOT-FOUND")
        .with_hint("see what is there: servin fs ls CONTAINER " + path.substr(0, path.rfind('/') + 1));
  if (err == ENOTDIR || err == ELOOP || err == EISDIR)
    throw errno_error(err, what + " " + shown(path))
        .with_id("E-PATH-KIND")
        .with_hint("look at what it is: servin fs stat");
  throw_path_error(err, what + " " + shown(path));
}

struct stat stat_of(const Fd& fd) {
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0) throw_errno("look at a file");
  return st;
}

Info info_of(const Fd& fd, std::string name) {
  Info info;
  info.st = stat_of(fd);
  if (S_ISLNK(info.st.st_mode)) info.target = link_target(fd, name);
  info.name = std::move(name);
  return info;
}

Parent parent_of(const Fd& root, const std::string& path, const std::string& what) {
  try {
    return open_parent_in_root(root, path);
  } catch (const Error& e) {
    if (e.sys_errno() != 0) fail(e.sys_errno(), path, what);
    throw wrong_kind(path, "names nothing in a folder");
  }
}

enum class Sockets : bool { pass, refuse };

// All or nothing: what is mounted somewhere in a tree keeps all of it, and so does a socket when the tree is to be
// copied. What is mounted while we are at it is met again when its name comes up.
void refuse_what_stays(const Parent& at, const std::string& path, const std::string& what, Sockets sockets) {
  Fd top(::openat(at.dir.get(), at.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!top) fail(errno, path, what);
  Walker walker(std::move(top), path);
  while (auto v = walker.next()) {
    if (is_mount_root(v->fd)) throw_path_error(EBUSY, what + " " + shown(v->path));
    if (sockets == Sockets::refuse && S_ISSOCK(v->st.st_mode))
      throw wrong_kind(v->path, "is a socket, which cannot be copied");
  }
}

}  // namespace

Fd hold(const Fd& root, const std::string& path, bool follow) {
  Fd fd = try_open_in_root(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0, follow ? Links::follow : Links::last);
  if (!fd) fail(errno, path, "open");
  return fd;
}

Info look(const Fd& root, const std::string& path, bool follow) { return info_of(hold(root, path, follow), path); }

std::vector<Info> list(const Fd& root, const std::string& path) {
  Fd held = hold(root, path, true);
  if (!S_ISDIR(stat_of(held).st_mode)) return {info_of(held, path)};
  Fd folder = reopen(held, O_RDONLY | O_DIRECTORY, shown(path));
  std::vector<Info> found;
  for (auto& name : names_in(folder, path)) {
    Fd fd(::openat(folder.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue;
    if (!fd) throw_errno("look at {}", shown(path + "/" + name));
    found.push_back(info_of(fd, std::move(name)));
  }
  return found;
}

void cat(const Fd& root, const std::string& path, const Fd& out) {
  Fd held = hold(root, path, true);
  struct stat st = stat_of(held);
  if (S_ISDIR(st.st_mode)) throw wrong_kind(path, "is a folder");
  // A device does things when it is opened, a fifo waits for ever.
  if (!S_ISREG(st.st_mode)) throw wrong_kind(path, "is a device, fifo or socket, which is not opened");
  Fd file = reopen(held, O_RDONLY | O_NONBLOCK, shown(path));
  std::string buffer(256U << 10U, '\0');
  while (std::size_t n = read_some(file, buffer.data(), buffer.size(), shown(path)))
    write_all(out, std::string_view(buffer).substr(0, n), "the output");
}

void find(const Fd& root, const std::string& path, const FindRules& rules,
          const std::function<bool(const std::string&, const struct stat&)>& found) {
  Fd top = hold(root, path, false);
  dev_t device = stat_of(top).st_dev;
  std::string name = path;
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  Walker walker(std::move(top), name == "/" ? "" : name);
  while (auto v = walker.next()) {
    if (S_ISDIR(v->st.st_mode)) {
      bool deep = rules.max_depth >= 0 && v->depth >= rules.max_depth;
      if (deep || (v->st.st_dev != device && is_made_by_kernel(v->fd))) walker.skip_below();
    }
    if (!rules.type.empty()) {
      constexpr std::string_view letters = "?pc?d?b?-?l?s";
      char letter = letters[(v->st.st_mode & S_IFMT) >> 12U];
      if (rules.type[0] != (letter == '-' ? 'f' : letter)) continue;
    }
    std::string last = v->path.substr(v->path.rfind('/') + 1);
    if (!rules.name.empty() && ::fnmatch(rules.name.c_str(), last.c_str(), 0) != 0) continue;
    if (!found(v->path.empty() ? "/" : v->path, v->st)) return;
  }
}

namespace {

// Those of a folder that is about to be made. MODE is the folder's alone.
void make_parents(const Fd& root, const std::string& path) {
  std::string above = path.substr(0, path.find_last_not_of('/') + 1);  // npos + 1 is 0
  auto slash = above.rfind('/');
  if (slash == std::string::npos) return;
  try {
    make_dirs_in_root(root, above.substr(0, slash), 0755);
  } catch (const Error& e) {
    fail(e.sys_errno(), path, "make folder");
  }
}

}  // namespace

void make_folder(const Fd& root, const std::string& path, unsigned mode, bool parents) {
  auto is_there = [&] { return static_cast<bool>(try_open_in_root(root, path, O_PATH | O_DIRECTORY)); };
  if (parents && is_there()) return;
  if (parents) make_parents(root, path);
  Parent parent = parent_of(root, path, "make");
  if (::mkdirat(parent.dir.get(), parent.name.c_str(), mode) != 0) {
    int err = errno;
    if (err == EEXIST && parents && is_there()) return;  // somebody else's by now
    if (err == EEXIST)
      throw error(ErrorCode::already_exists, "{} is there already", shown(path)).with_id("E-PATH-EXISTS");
    fail(err, path, "make folder");
  }
  // The umask is the host's.
  Fd made(::openat(parent.dir.get(), parent.name.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
  if (made) ::chmod(("/proc/self/fd/" + std::to_string(made.get())).c_str(), mode);
}

void remove_folder(const Fd& root, const std::string& path) {
  Parent parent = parent_of(root, path, "remove");
  if (is_mount_point(parent.dir, parent.name)) throw_path_error(EBUSY, "remove " + shown(path));
  if (::unlinkat(parent.dir.get(), parent.name.c_str(), AT_REMOVEDIR) == 0) return;
  if (errno == ENOTEMPTY)
    throw error(ErrorCode::conflict, "folder {} is not empty", shown(path))
        .with_id("E-PATH-NOT-EMPTY")
        .with_hint("servin fs rm -r removes it with what lies in it");
  fail(errno, path, "remove");
}

void remove(const Fd& root, const std::string& path, bool recursive, bool force) {
  try {
    Parent parent = parent_of(root, path, "remove");
    struct stat st{};
    if (::fstatat(parent.dir.get(), parent.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) fail(errno, path, "remove");
    if (is_mount_point(parent.dir, parent.name)) throw_path_error(EBUSY, "remove " + shown(path));
    if (!S_ISDIR(st.st_mode)) {
      if (::unlinkat(parent.dir.get(), parent.name.c_str(), 0) != 0) fail(errno, path, "remove");
      return;
    }
    if (!recursive) throw wrong_kind(path, "is a folder").with_hint("servin fs rm -r removes folders");
    refuse_what_stays(parent, path, "remove", Sockets::pass);
    remove_tree_between_mounts(parent.dir, parent.name);
  } catch (const Error& e) {
    if (force && e.sys_errno() == ENOENT) return;
    if (e.id().empty() && (e.sys_errno() == EBUSY || e.sys_errno() == EROFS))
      throw_path_error(e.sys_errno(), "remove " + shown(path));
    throw;
  }
}

namespace {

Error not_empty(const std::string& path) {
  return error(ErrorCode::conflict, "folder {} is not empty", shown(path))
      .with_id("E-PATH-NOT-EMPTY")
      .with_hint("remove it first: servin fs rm -r CONTAINER " + printable(path));
}

// As rename does: unpack alone would put the one folder's content among the other's.
void refuse_full_folder(const Parent& to, const std::string& target) {
  Fd there(::openat(to.dir.get(), to.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!there && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) fail(errno, target, "replace");
  if (there && !names_in(there, target).empty()) throw not_empty(target);
}

void move_by_copy(const Parent& from, const Parent& to, const std::string& path, const std::string& target) {
  refuse_what_stays(from, path, "move", Sockets::refuse);
  Fd top(::openat(from.dir.get(), from.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!top) fail(errno, path, "move");
  if (S_ISDIR(stat_of(top).st_mode)) refuse_full_folder(to, target);
  PackOptions options;
  options.name = to.name;
  options.sparse = true;
  PackSource source(std::move(top), options);
  unpack(source, to.dir, "/", {});
  remove_tree_between_mounts(from.dir, from.name);
}

}  // namespace

void move(const Fd& root, const std::string& from_path, const std::string& to_path) {
  Parent from = parent_of(root, from_path, "move");
  Parent to;
  std::string target = to_path;
  Fd folder = try_open_in_root(root, to_path, O_PATH | O_DIRECTORY);
  if (folder) {
    to = {std::move(folder), from.name};
    target += (target.ends_with('/') ? "" : "/") + from.name;
  } else if (to_path.ends_with('/')) {
    fail(errno, to_path, "move to");
  } else {
    to = parent_of(root, to_path, "move");
  }
  if (is_mount_point(from.dir, from.name)) throw_path_error(EBUSY, "move " + shown(from_path));
  if (is_mount_point(to.dir, to.name)) throw_path_error(EBUSY, "replace " + shown(target));
  if (::renameat(from.dir.get(), from.name.c_str(), to.dir.get(), to.name.c_str()) == 0) return;
  // overlayfs answers the same for folders of the image, before it looks at what is there.
  if (errno == EXDEV) return move_by_copy(from, to, from_path, target);
  if (errno == EINVAL) throw wrong_kind(from_path, "cannot be moved into itself");
  if (errno == ENOTEMPTY || errno == EEXIST) throw not_empty(target);
  fail(errno, from_path, "move");
}

namespace {

Error bad_mode(const std::string& change) {
  return error(ErrorCode::invalid_argument, "{} is no mode", quoted(printable(change)))
      .with_id("E-OPTION-VALUE")
      .with_hint("as chmod(1): 755, u+x, go-w, a=rX");
}

// The bits of one letter behind + - =, for the people in `who` (0700, 0070, 0007 together).
unsigned bits_of(char letter, unsigned who, unsigned old, bool folder, const std::string& change) {
  switch (letter) {
    case 'r':
      return who & 0444U;
    case 'w':
      return who & 0222U;
    case 'x':
      return who & 0111U;
    case 'X':
      return folder || (old & 0111U) != 0 ? who & 0111U : 0;
    case 's':
      return ((who & 0700U) != 0 ? 04000U : 0) | ((who & 0070U) != 0 ? 02000U : 0);
    case 't':
      return 01000U;
    default:
      throw bad_mode(change);
  }
}

unsigned apply_clause(const std::string& clause, unsigned mode, bool folder, const std::string& change) {
  std::size_t at = 0;
  unsigned who = 0;
  for (; at < clause.size() && std::string_view("ugoa").find(clause[at]) != std::string_view::npos; ++at)
    who |= clause[at] == 'u' ? 0700U : clause[at] == 'g' ? 0070U : clause[at] == 'o' ? 0007U : 0777U;
  if (who == 0) who = 0777;
  if (at >= clause.size()) throw bad_mode(change);
  char action = clause[at++];
  unsigned bits = 0;
  for (; at < clause.size(); ++at) bits |= bits_of(clause[at], who, mode, folder, change);
  if (action == '+') return mode | bits;
  if (action == '-') return mode & ~bits;
  if (action != '=') throw bad_mode(change);
  unsigned cleared = who | ((who & 0700U) != 0 ? 04000U : 0) | ((who & 0070U) != 0 ? 02000U : 0);
  return (mode & ~cleared) | bits;
}

}  // namespace

unsigned changed_mode(const std::string& change, unsigned old, bool folder) {
  if (change.empty()) throw bad_mode(change);
  if (change.find_first_not_of("01234567") == std::string::npos) {
    if (change.size() > 5) throw bad_mode(change);
    unsigned mode = 0;
    for (char c : change) mode = mode * 8 + static_cast<unsigned>(c - '0');
    if (mode > 07777U) throw bad_mode(change);
    return mode;
  }
  for (const auto& clause : split(change, ',')) old = apply_clause(clause, old, folder, change);
  return old;
}

void change_mode(const Fd& root, const std::string& path, const std::string& mode, bool recursive) {
  changed_mode(mode, 0, false);  // says what is wrong with it
  auto change = [&](const Fd& fd, const struct stat& st, const std::string& name) {
    if (S_ISLNK(st.st_mode)) return;
    unsigned wanted = changed_mode(mode, st.st_mode & 07777U, S_ISDIR(st.st_mode));
    // Exactly this inode, and nothing is opened.
    if (::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), wanted) != 0)
      fail(errno, name, "change the mode of");
  };
  Fd top = hold(root, path, true);
  if (!recursive) return change(top, stat_of(top), path);
  dev_t device = stat_of(top).st_dev;
  Walker walker(std::move(top), path);
  while (auto v = walker.next()) {
    if (v->st.st_dev != device && is_made_by_kernel(v->fd)) {
      if (S_ISDIR(v->st.st_mode)) walker.skip_below();
      continue;
    }
    change(v->fd, v->st, v->path);
  }
}

}  // namespace servin::files
