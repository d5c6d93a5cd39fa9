// SPDX-License-Identifier: Apache-2.0
// localhost/servin/base: the image that the program carries inside itself. A static BusyBox with links for its applets
// and the handful of files that programs expect of a system. Made at its first use; the same program makes the same
// bytes.
#pragma once

#include <string>
#include <string_view>

#include "image/store.h"

namespace servin::image {

constexpr std::string_view built_in_reference = "localhost/servin/base:latest";

/// "base", "base:latest" and the full form.
bool is_built_in(const std::string& text);
/// The diff id of its one layer.
const oci::Digest& built_in_diff();
void make_built_in(ImageStore& store);

}  // namespace servin::image
