// SPDX-License-Identifier: Apache-2.0
#include "cli/copy_plan.h"

#include "base/error.h"
#include "base/strings.h"

namespace servin::cli {
namespace {

std::string_view without_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

std::string shown(const std::string& path) { return quoted(printable(path)); }

Error wrong_kind(const std::string& path, std::string_view why) {
  return error(ErrorCode::invalid_argument, "cp: {} {}", shown(path), why)
      .with_id("E-PATH-KIND")
      .with_hint("choose another destination");
}

}  // namespace

CopyPlace parse_place(std::string_view text) {
  if (text == "-" || text.starts_with('/') || text.starts_with('.')) return {"", std::string(text)};
  auto pair = split_once(text, ':');
  if (!pair || pair->first.empty() || pair->first.find('/') != std::string::npos) return {"", std::string(text)};
  return {pair->first, pair->second.empty() ? "/" : pair->second};
}

std::string last_name(std::string_view path) {
  path = without_slashes(path);
  if (path == "/" || path.empty()) return ".";
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string folder_of(std::string_view path) {
  path = without_slashes(path);
  auto slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : std::string(path.substr(0, slash + 1));
}

bool is_content_only(std::string_view path) { return path == "." || path.ends_with("/."); }

std::string join_link(std::string_view path, std::string_view target) {
  if (target.starts_with('/')) return std::string(target);
  return folder_of(path) + "/" + std::string(target);
}

CopyPlan plan_copy(const CopyEnd& from, const CopyEnd& to) {
  bool content = is_content_only(from.path);
  std::string name = last_name(from.path);
  if (name == ".." || name == ".") content = content || from.is_folder;
  if ((content || from.path.ends_with('/')) && !from.is_folder) throw wrong_kind(from.path, "is no folder");
  if (to.exists && to.is_folder) return {to.path, content ? "." : name};
  if (to.exists && from.is_folder) throw wrong_kind(to.path, "is a file, and a folder does not replace it");
  if (to.exists && to.path.ends_with('/')) throw wrong_kind(to.path, "is no folder");
  if (!from.is_folder && to.path.ends_with('/'))
    throw error(ErrorCode::not_found, "cp: there is no folder {}", shown(to.path))
        .with_id("E-PATH-NOT-FOUND")
        .with_hint("make it first, or leave the / at the end out to give the copy this name");
  // A new name, of a file or of a folder.
  return {folder_of(to.path), last_name(to.path)};
}

}  // namespace servin::cli
