// SPDX-License-Identifier: Apache-2.0
// USER of an image, looked up in the /etc/passwd and /etc/group of the current root folder.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace servin::runtime {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string home = "/";
};
Identity look_up(const std::string& user, const std::vector<std::string>& more_groups);
/// setgroups, setgid, setuid, in the order in which each is still allowed.
void become(const Identity& who);

}  // namespace servin::runtime
