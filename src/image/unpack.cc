// SPDX-License-Identifier: Apache-2.0
#include "image/unpack.h"

#include <string>

#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.h"

namespace servin::image {

namespace {

constexpr const char* opaque_xattr = "trusted.overlay.opaque";
constexpr mode_t untouched = 01700;  // no archive gives a root away like that; we ourselves need to get in without root
constexpr mode_t usual = 0755;

}  // namespace

archive::ExtractResult unpack_layer(archive::ByteSource& tar, const Fd& dir, const archive::ExtractOptions& options) {
  if (::fchmod(dir.get(), untouched) != 0) throw_errno("set the mode of a layer's root");
  archive::ExtractResult result = archive::extract_layer(tar, dir, options);
  struct stat st{};
  if (::fstat(dir.get(), &st) != 0) throw_errno("read a layer's root");
  if ((st.st_mode & 07777U) == untouched) {
    if (::fchmod(dir.get(), usual) != 0) throw_errno("set the mode of a layer's root");
    result.implied_folders.insert(result.implied_folders.begin(), ".");
  }
  if (result.opaque_root && ::fsetxattr(dir.get(), opaque_xattr, "y", 1, 0) != 0)
    throw_errno("mark a layer's root as opaque");
  return result;
}

bool is_opaque(const Fd& layer) {
  std::string path = "/proc/self/fd/" + std::to_string(layer.get());
  char value = 0;
  return ::getxattr(path.c_str(), opaque_xattr, &value, 1) == 1 && value == 'y';
}

}  // namespace servin::image
