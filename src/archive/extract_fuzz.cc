// SPDX-License-Identifier: Apache-2.0
// Layer extraction into a folder beside a canary. Oracle: nothing outside the folder changes, whatever the archive
// says. Wrong checksums are put right first: otherwise nearly all inputs would end at the first header.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <sys/stat.h>

#include "archive/extract.h"
#include "archive/tar_format.h"
#include "base/error.h"
#include "os/file.h"

namespace servin::archive {
namespace {

constexpr std::size_t most_blocks = 64;

void require(bool ok) {
  if (!ok) std::abort();
}

class Arena {
 public:
  Arena() {
    char name[] = "/tmp/servin-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw_errno("make a folder for the fuzzer");
    base_ = name;
    make_dirs(base_ + "/canary/dir", 0755);
    write_file(base_ + "/canary/file", "canary");
    before_ = outside();
  }
  ~Arena() { remove_tree(base_); }
  std::string layer() const { return base_ + "/layer"; }
  void check() const { require(outside() == before_); }

 private:
  std::string outside() const {
    std::string out;
    for (std::string path : {"", "/canary", "/canary/dir", "/canary/file"}) {
      struct stat st{};
      require(::lstat((base_ + path).c_str(), &st) == 0);
      out += fmt::format("{} {:o} {} {} {} {}\n", path, st.st_mode, st.st_uid, st.st_gid,
                         path.empty() ? 0 : st.st_nlink, S_ISDIR(st.st_mode) ? 0 : st.st_size);
      if (!path.empty()) out += fmt::format("{}.{}\n", st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    }
    for (const auto& name : list_dir(base_)) out += name == "layer" ? "" : name;
    return out + read_file(base_ + "/canary/file").value_or("gone");
  }

  std::string base_;
  std::string before_;
};

void seal_headers(std::string& tar) {
  for (std::size_t at = 0; at + tar_block <= tar.size(); at += tar_block) {
    if (tar.compare(at + field::magic.at, 5, "ustar") != 0) continue;
    std::memset(tar.data() + at + field::checksum.at, ' ', field::checksum.size);
    std::string sum = fmt::format("{:06o}", checksums(tar.data() + at).first);
    std::memcpy(tar.data() + at + field::checksum.at, sum.c_str(), 7);
  }
}

void extract(std::string_view tar, const std::string& to) {
  make_dirs(to, 0755);
  Fd folder = open_file(to, O_PATH | O_DIRECTORY);
  ExtractOptions options;
  options.limits = {.max_entries = 200, .max_bytes = 1U << 20U, .max_folder_memory = 1U << 20U};
  options.owners = ::geteuid() == 0;
  MemorySource source(tar);
  try {
    extract_layer(source, folder, options);
  } catch (const Error& e) {
    require(e.code() != ErrorCode::internal);
  }
}

}  // namespace
}  // namespace servin::archive

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace servin::archive;
  static Arena arena;
  std::string tar(reinterpret_cast<const char*>(data), std::min(size, most_blocks * tar_block));
  seal_headers(tar);
  extract(tar, arena.layer());
  arena.check();
  servin::remove_tree(arena.layer());
  return 0;
}
