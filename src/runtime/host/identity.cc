// SPDX-License-Identifier: Apache-2.0
#include "runtime/host/identity.h"

#include <grp.h>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::runtime {
namespace {

using Row = std::vector<std::string>;

std::vector<Row> rows_of(const char* path) {
  std::vector<Row> rows;
  for (const std::string& line : split(read_file(path, 8U << 20U).value_or(""), '\n'))
    if (Row fields = split(line, ':'); fields.size() >= 4) rows.push_back(std::move(fields));
  return rows;
}

std::optional<unsigned> number(std::string_view text) {
  auto n = parse_u64(text);
  if (!n || *n > 0x7fffffff) return std::nullopt;
  return static_cast<unsigned>(*n);
}

gid_t group_id(const std::vector<Row>& groups, const std::string& name) {
  if (auto n = number(name)) return *n;
  for (const Row& row : groups)
    if (row[0] == name)
      if (auto n = number(row[2])) return *n;
  throw error(ErrorCode::not_found, "group {} is not in the image's /etc/group", quoted(name))
      .with_id("E-USER-UNKNOWN");
}

}  // namespace

Identity look_up(const std::string& text, const std::vector<std::string>& more_groups) {
  auto parts = split_once(text, ':');
  std::string user = parts ? parts->first : text;
  auto groups = rows_of("/etc/group");
  Identity who;
  std::string name = user.empty() ? "root" : user;
  auto id = user.empty() ? std::optional<unsigned>(0) : number(user);
  if (id) who.uid = *id;
  bool known = id.has_value();
  for (const Row& row : rows_of("/etc/passwd")) {
    auto row_id = number(row[2]), row_group = number(row[3]);
    // A line that cannot be read must make nobody root.
    if (!row_id || !row_group) continue;
    if (id ? row_id != id : row[0] != user) continue;
    known = true;
    name = row[0];
    who.uid = *row_id;
    who.gid = *row_group;
    if (row.size() > 5 && !row[5].empty()) who.home = row[5];
    break;
  }
  if (!known)
    throw error(ErrorCode::not_found, "user {} is not in the image's /etc/passwd", quoted(user))
        .with_id("E-USER-UNKNOWN");
  if (parts) who.gid = group_id(groups, parts->second);
  who.groups.push_back(who.gid);
  for (const Row& row : groups)
    for (const std::string& member : split(row[3], ','))
      if (member == name) who.groups.push_back(number(row[2]).value_or(who.gid));
  for (const std::string& group : more_groups) who.groups.push_back(group_id(groups, group));
  return who;
}

void become(const Identity& who) {
  if (::setgroups(who.groups.size(), who.groups.data()) != 0) throw_errno("set the groups");
  if (::setgid(who.gid) != 0) throw_errno("become group {}", who.gid);
  if (::setuid(who.uid) != 0) throw_errno("become user {}", who.uid);
}

}  // namespace servin::runtime
