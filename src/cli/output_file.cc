// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.h"

#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <sys/stat.h>

#include "base/error.h"
#include "os/file.h"

namespace servin::cli {

OutputFile::OutputFile(const std::string& path, unsigned mode) : path_(path) {
  struct stat st{};
  bool there = ::stat(path.c_str(), &st) == 0;
  if (there && !S_ISREG(st.st_mode)) {
    file_ = open_file(path, O_WRONLY | O_NOCTTY);
    return;
  }
  if (there) {
    std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (!real) throw_errno("look at {}", path);
    path_ = real.get();
  }
  unfinished_ = fmt::format("{}.servin-{}", path_, ::getpid());
  file_ = open_file(unfinished_, O_WRONLY | O_CREAT | O_EXCL, mode);
}

OutputFile::~OutputFile() {
  if (!unfinished_.empty()) ::unlink(unfinished_.c_str());
}

void OutputFile::finish() {
  if (unfinished_.empty()) return;
  if (::fsync(file_.get()) != 0) throw_errno("write {}", path_);
  rename_path(unfinished_, path_);
  unfinished_.clear();
  auto slash = path_.rfind('/');
  sync_path(slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash));
}

}  // namespace servin::cli
