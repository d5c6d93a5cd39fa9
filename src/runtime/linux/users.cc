// SPDX-License-Identifier: Apache-2.0
#include "runtime/linux/users.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "base/strings.h"
#include "os/path_open.h"

namespace servin::runtime {
namespace {

constexpr std::uint64_t max_number = 2147483647;
constexpr std::size_t max_file = 8U << 20U;

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Error invalid(std::string_view text, std::string_view why) {
  return error(ErrorCode::invalid_argument, "user {}: {}", quoted(text), why)
      .with_id("E-USER-INVALID")
      .with_hint("forms: NAME, UID, NAME:GROUP, UID:GID; numbers from 0 to 2147483647");
}

std::uint32_t to_number(std::string_view word, std::string_view text) {
  auto n = parse_u64(word);
  if (!n || *n > max_number) throw invalid(text, fmt::format("{} is out of range", word));
  return static_cast<std::uint32_t>(*n);
}

// A number of a passwd or group line; lines that hold something else are passed over.
std::optional<std::uint32_t> field_number(std::string_view word) {
  auto n = all_digits(word) ? parse_u64(word) : std::nullopt;
  if (!n || *n > max_number) return std::nullopt;
  return static_cast<std::uint32_t>(*n);
}

void check_word(std::string_view word, std::string_view text) {
  if (word.empty()) throw invalid(text, "a part is empty");
  if (all_digits(word)) {
    to_number(word, text);
    return;
  }
  // What a name may be is the image's business, but it has to be one word, and must not look like a number that was
  // written in a way that nobody expects.
  for (char c : word)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == ':' || c == '/' || c == '\\')
      throw invalid(text, "it has characters that no name has");
  char first = word[0];
  if (first == '-' || first == '+') throw invalid(text, "a name or number does not start with a sign");
  bool number_like = first >= '0' && first <= '9' && word.size() > 1 && (word[1] == 'x' || word[1] == 'X');
  if (number_like) throw invalid(text, "numbers are decimal");
}

struct Words {
  std::string user;
  std::optional<std::string> group;
};

Words parse_words(std::string_view text) {
  auto pair = split_once(text, ':');
  Words w{pair ? pair->first : std::string(text), std::nullopt};
  if (pair) w.group = pair->second;
  check_word(w.user, text);
  if (w.group) check_word(*w.group, text);
  return w;
}

// Splits off the next line without copying the rest (a hostile file may be one line of 8 MiB).
std::string_view next_line(std::string_view& rest) {
  auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return line;
}

std::vector<std::string_view> fields(std::string_view line, std::size_t most) {
  std::vector<std::string_view> out;
  while (out.size() < most) {
    auto colon = line.find(':');
    out.push_back(line.substr(0, colon));
    if (colon == std::string_view::npos) break;
    line = line.substr(colon + 1);
  }
  return out;
}

struct PasswdEntry {
  std::string name, home;
  std::uint32_t uid = 0, gid = 0;
};

std::optional<PasswdEntry> find_user(std::string_view word, std::string_view passwd) {
  bool by_number = all_digits(word);
  auto number = by_number ? field_number(word) : std::nullopt;
  for (std::string_view rest = passwd; !rest.empty();) {
    auto f = fields(next_line(rest), 7);
    if (f.size() < 4) continue;
    auto uid = field_number(f[2]);
    auto gid = field_number(f[3]);
    if (!uid || !gid || f[0].empty()) continue;
    if (by_number ? uid != number : f[0] != word) continue;
    return PasswdEntry{std::string(f[0]), f.size() > 5 ? std::string(f[5]) : "", *uid, *gid};
  }
  return std::nullopt;
}

std::optional<std::uint32_t> find_group(std::string_view word, std::string_view group) {
  for (std::string_view rest = group; !rest.empty();) {
    auto f = fields(next_line(rest), 4);
    if (f.size() < 3 || f[0] != word || f[0].empty()) continue;
    if (auto gid = field_number(f[2])) return gid;
  }
  return std::nullopt;
}

std::uint32_t group_number(const std::string& word, std::string_view text, std::string_view group) {
  if (all_digits(word)) return to_number(word, text);
  if (auto gid = find_group(word, group)) return *gid;
  throw error(ErrorCode::not_found, "group {} is not in the container's /etc/group", quoted(word))
      .with_id("E-USER-UNKNOWN")
      .with_hint("use a number, or a group that the image has");
}

bool lists_member(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    auto comma = members.find(',');
    if (members.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    members = members.substr(comma + 1);
  }
  return false;
}

void add_member_groups(const std::string& name, std::string_view group, std::vector<std::uint32_t>& out) {
  for (std::string_view rest = group; !rest.empty();) {
    auto f = fields(next_line(rest), 4);
    if (f.size() < 4 || !lists_member(f[3], name)) continue;
    // The kernel takes 65536 groups at most.
    if (auto gid = field_number(f[2]); gid && out.size() < 60000) out.push_back(*gid);
  }
}

std::string read_optional(const Fd& root, const char* path) {
  try {
    return read_file_in_root(root, path, max_file);
  } catch (const Error& e) {
    if (e.sys_errno() == ENOENT || e.sys_errno() == ENOTDIR) return "";
    throw Error(e).context("look up the user");
  }
}

}  // namespace

void check_user(std::string_view text) { parse_words(text); }

User resolve_user(std::string_view text, const std::vector<std::string>& groups, std::string_view passwd,
                  std::string_view group) {
  Words words = text.empty() ? Words{"0", std::nullopt} : parse_words(text);
  User user;
  auto entry = find_user(words.user, passwd);
  if (entry) {
    user.uid = entry->uid;
    user.gid = entry->gid;
    if (!entry->home.empty() && entry->home[0] == '/') user.home = entry->home;
  } else if (all_digits(words.user)) {
    user.uid = to_number(words.user, text);
    if (user.uid == 0) user.home = "/root";
  } else if (words.user == "root") {
    user.home = "/root";  // an image without /etc/passwd still has root
  } else {
    throw error(ErrorCode::not_found, "user {} is not in the container's /etc/passwd", quoted(words.user))
        .with_id("E-USER-UNKNOWN")
        .with_hint("use a number, or a user that the image has");
  }
  if (words.group) user.gid = group_number(*words.group, text, group);
  user.gids.push_back(user.gid);
  // With a group written out the list of /etc/group does not count, as docker has it.
  if (entry && !words.group) add_member_groups(entry->name, group, user.gids);
  for (const auto& g : groups) {
    check_word(g, g);
    user.gids.push_back(group_number(g, g, group));
  }
  std::sort(user.gids.begin(), user.gids.end());
  user.gids.erase(std::unique(user.gids.begin(), user.gids.end()), user.gids.end());
  return user;
}

User resolve_user_in(const Fd& root, std::string_view text, const std::vector<std::string>& groups) {
  return resolve_user(text, groups, read_optional(root, "/etc/passwd"), read_optional(root, "/etc/group"));
}

}  // namespace servin::runtime
