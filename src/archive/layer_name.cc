// SPDX-License-Identifier: Apache-2.0
#include "archive/layer_name.h"

#include "archive/failure.h"
#include "base/strings.h"

namespace servin::archive {
namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view aufs_prefix = ".wh..wh.";
constexpr std::string_view opaque_name = ".wh..wh..opq";

std::string shown(std::string_view path) { return quoted(printable(path.substr(0, 200))); }

bool has_aufs_part(std::string_view parent) {
  return parent.starts_with(aufs_prefix) || parent.find("/" + std::string(aufs_prefix)) != std::string_view::npos;
}

}  // namespace

std::string normal_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t at = 0; at < path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (out.empty()) throw unsafe_error(fmt::format("tar entry {} leads out of the archive", shown(path)));
      auto slash = out.rfind('/');
      out.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (part.size() > 255) throw unsafe_error(fmt::format("tar entry {} has a name that is too long", shown(path)));
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

LayerName parse_layer_name(std::string_view path) {
  if (path.empty()) throw unsafe_error("tar entry without a name");
  std::string normal = normal_path(path);
  LayerName out;
  if (normal.empty()) return out;
  auto slash = normal.rfind('/');
  out.name = slash == std::string::npos ? normal : normal.substr(slash + 1);
  out.parent = slash == std::string::npos ? std::string() : normal.substr(0, slash);
  out.kind = LayerNameKind::entry;
  if (has_aufs_part(out.parent)) {
    out.kind = LayerNameKind::ignored;
  } else if (out.name == opaque_name) {
    out.kind = LayerNameKind::opaque;
  } else if (out.name.starts_with(aufs_prefix)) {
    out.kind = LayerNameKind::ignored;
  } else if (out.name.starts_with(whiteout_prefix)) {
    out.kind = LayerNameKind::whiteout;
    out.name.erase(0, whiteout_prefix.size());
    // A whiteout of these would delete or replace the folder itself or the one above it.
    if (out.name.empty() || out.name == "." || out.name == "..") {
      throw unsafe_error(fmt::format("tar entry {} is a whiteout of nothing", shown(path)));
    }
  }
  return out;
}

}  // namespace servin::archive
