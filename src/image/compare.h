// SPDX-License-Identifier: Apache-2.0
// Two unpacked layers: are they the same?
#pragma once

#include <string>

#include "os/fd.h"

namespace servin::image {

/// Types, modes, owners, sizes, contents, link targets, device numbers, extended attributes. Empty when equal, else the
/// first difference in words ("usr/bin/sh: content differs").
std::string compare_trees(const Fd& stored, const Fd& fresh);

}  // namespace servin::image
