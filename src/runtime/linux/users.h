// SPDX-License-Identifier: Apache-2.0
// USER and --group-add against the image's own /etc/passwd and /etc/group, which are hostile input.
//
// Forms: "" (root), NAME, UID, NAME:GROUP, UID:GID, UID:GROUP, NAME:GID. All digits are a number, 0..2147483647, or an
// error, and never a name (CVE-2024-40635, CVE-2026-46680). Supplementary groups are the groups that /etc/group lists
// for the user's name, the primary group, and those asked for (CVE-2022-36109).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.h"

namespace servin::runtime {

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> gids;  // sorted, with gid
  std::string home = "/";
  bool operator==(const User&) const = default;
};

/// The form alone; throws invalid_argument/E-USER-INVALID.
void check_user(std::string_view text);
/// Pure: from the texts of the two files. Throws not_found/E-USER-UNKNOWN.
User resolve_user(std::string_view text, const std::vector<std::string>& groups, std::string_view passwd,
                  std::string_view group);
/// Reads the files below `root` (a root file system); missing ones are empty, anything but a regular file of at most 8
/// MiB is an error.
User resolve_user_in(const Fd& root, std::string_view text, const std::vector<std::string>& groups);

}  // namespace servin::runtime
