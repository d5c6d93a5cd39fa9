// SPDX-License-Identifier: Apache-2.0
// A tar stream into a folder that exists already and that others may be at work in. Whatever the archive or they do,
// nothing outside of `root` is touched. What is there is replaced as docker does it: files and links by rename, so that
// nobody sees half of one; a folder never by anything else, nor anything else by a folder. What is mounted somewhere
// is written into, not replaced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "archive/stream.h"
#include "os/fd.h"

namespace servin::files {

struct UnpackOptions {
  struct Owner {
    std::uint32_t uid = 0, gid = 0;
  };
  /// Everything belongs to this one instead of to whom the archive says.
  std::optional<Owner> owner = {};
  /// The target is the host's: no set-id bits and capabilities unless owners are kept, and no devices at all. Who made
  /// the archive is not trusted with them.
  bool to_host = false;
  bool keep_owners = false;  // to_host: as the archive says, else the caller's
};

struct Unpacked {
  std::uint64_t entries = 0;
  std::uint64_t devices_left_out = 0;
};

/// `tar` is not compressed. `folder` is resolved inside `root` for each entry. Throws E-PATH-KIND, E-ARCHIVE-* or what
/// the kernel said; what was unpacked until then stays.
Unpacked unpack(archive::ByteSource& tar, const Fd& root, const std::string& folder, const UnpackOptions& options);

/// The error for a place that is read-only (EROFS) or a name that something is mounted on (EBUSY), as one of the
/// catalogue; others as they are.
[[noreturn]] void throw_path_error(int err, const std::string& what);

}  // namespace servin::files
