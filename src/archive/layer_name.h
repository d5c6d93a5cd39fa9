// SPDX-License-Identifier: Apache-2.0
// What the name of a layer's member means: a place below the layer's root, or one of the whiteouts of OCI image-spec,
// layer.md.
#pragma once

#include <string>
#include <string_view>

namespace servin::archive {

enum class LayerNameKind {
  root,      // "." and "/"
  entry,     // parent and name
  whiteout,  // hides `name` in `parent`
  opaque,    // hides all that lower layers have in `parent`
  ignored,   // bookkeeping of AUFS (".wh..wh.plnk"), in images of 2014
};

struct LayerName {
  LayerNameKind kind = LayerNameKind::root;
  std::string parent;  // relative, without "." and ".."; empty for the root
  std::string name;    // one component
};

/// Throws E-ARCHIVE-UNSAFE for names that climb out of the root, have a component of more than 255 bytes, or are a
/// whiteout of nothing,
/// "." or "..". Absolute names start at the layer's root.
LayerName parse_layer_name(std::string_view path);

/// `path` without ".", ".." and double slashes; throws when it climbs out.
std::string normal_path(std::string_view path);

}  // namespace servin::archive
