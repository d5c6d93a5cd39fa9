// SPDX-License-Identifier: Apache-2.0
// Deletes trees of any depth with two descriptors and no recursion: what a container or a layer leaves may be nested
// deeper than PATH_MAX, the descriptor limit or our stack.
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "os/file.h"
#include "os/path_open.h"

namespace servin {
namespace {

constexpr int most_repeats = 100;

enum class OnMount {
  trust,   // nobody mounts anything below; what is of another device is refused all the same
  refuse,  // each name is looked at first
};

class TreeRemover {
 public:
  TreeRemover(const Fd& parent, const std::string& name, OnMount on_mount)
      : parent_(parent), name_(name), on_mount_(on_mount) {}

  void run() {
    if (unlink_in(parent_, name_, 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) throw_errno("remove {}", name_);
    enter(parent_, name_);
    while (!levels_.empty()) {
      auto& folders = levels_.back().folders;
      if (folders.empty()) {
        leave();
        continue;
      }
      std::string next = std::move(folders.back());
      folders.pop_back();
      if (unlink_in(here_, next, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
      enter(here_, next);
    }
  }

 private:
  static Error mounted(const std::string& name) {
    return error(ErrorCode::conflict, "remove {}: something is mounted there", name)
        .with_errno(EBUSY)
        .with_hint("find it in /proc/self/mountinfo and unmount it first");
  }

  int unlink_in(const Fd& dir, const std::string& name, int flags) const {
    if (on_mount_ == OnMount::refuse && is_mount_point(dir, name)) throw mounted(name);
    return ::unlinkat(dir.get(), name.c_str(), flags);
  }

  struct Level {
    ino_t inode;
    std::string name;
    std::vector<std::string> folders;  // below it, still to do
  };

  void enter(const Fd& dir, const std::string& name) {
    Fd fd(::openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == EACCES && make_accessible(dir, name)) {
      fd = Fd(::openat(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    struct stat st{};
    if (!fd && errno == ENOENT) return;  // somebody else removes it too
    if (!fd || ::fstat(fd.get(), &st) != 0) throw_errno("remove {}", name);
    // Who is not root cannot empty a folder of mode 0555, but may change the mode.
    if ((st.st_mode & 0700U) != 0700U && ::geteuid() != 0) (void)!::fchmod(fd.get(), 0700);
    if (levels_.empty()) device_ = st.st_dev;
    if (st.st_dev != device_) throw mounted(name);
    here_ = std::move(fd);
    levels_.push_back({st.st_ino, name, {}});
    remove_files();
  }

  // Through a descriptor of the folder itself, so that a link put in its place is not followed.
  static bool make_accessible(const Fd& dir, const std::string& name) {
    Fd fd(::openat(dir.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return fd && ::chmod(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), 0700) == 0;
  }

  void remove_files() {
    DIR* dir = ::fdopendir(here_.dup().release());
    if (dir == nullptr) throw_errno("remove {}", levels_.back().name);
    struct Closer {
      DIR* dir;
      ~Closer() { ::closedir(dir); }
    } closer{dir};
    errno = 0;
    while (dirent* e = ::readdir(dir)) {
      std::string name = e->d_name;
      if (name != "." && name != "..") remove_file(name, e->d_type == DT_DIR);
      errno = 0;
    }
    if (errno != 0) throw_errno("remove {}", levels_.back().name);
  }

  void remove_file(const std::string& name, bool is_folder) {
    if (!is_folder) {
      if (unlink_in(here_, name, 0) == 0 || errno == ENOENT) return;
      if (errno != EISDIR && errno != EPERM) throw_errno("remove {}", name);
    }
    levels_.back().folders.push_back(name);
  }

  void leave() {
    std::string name = std::move(levels_.back().name);
    levels_.pop_back();
    if (levels_.empty()) return remove_folder(parent_, name);
    Fd up(::openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat st{};
    if (!up || ::fstat(up.get(), &st) != 0) throw_errno("remove {}", name);
    // Somebody moved the folder meanwhile: ".." is not the place we came from.
    if (st.st_ino != levels_.back().inode || st.st_dev != device_) {
      throw error(ErrorCode::conflict, "remove {}: the folder was moved meanwhile", name);
    }
    here_ = std::move(up);
    remove_folder(here_, name);
  }

  /// Once more from the start when somebody has put something into it meanwhile (a lock file), but not for ever.
  void remove_folder(const Fd& dir, const std::string& name) {
    if (unlink_in(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno != ENOTEMPTY || ++repeated_ > most_repeats) throw_errno("remove {}", name);
    enter(dir, name);
  }

  const Fd& parent_;
  std::string name_;
  OnMount on_mount_;
  Fd here_;
  dev_t device_ = 0;
  int repeated_ = 0;
  std::vector<Level> levels_;
};

}  // namespace

void remove_tree_at(const Fd& parent, const std::string& name) { TreeRemover(parent, name, OnMount::trust).run(); }

void remove_tree_between_mounts(const Fd& parent, const std::string& name) {
  TreeRemover(parent, name, OnMount::refuse).run();
}

void remove_tree(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  auto slash = trimmed.rfind('/');
  std::string parent = slash == std::string::npos ? "." : trimmed.substr(0, slash + 1);
  int raw = ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (raw < 0) {
    if (errno == ENOENT) return;
    throw_errno("remove {}", path);
  }
  Fd dir(raw);
  try {
    remove_tree_at(dir, slash == std::string::npos ? trimmed : trimmed.substr(slash + 1));
  } catch (Error& e) {
    throw e.context(path);
  }
}

}  // namespace servin
