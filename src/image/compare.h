// SPDX-License-Identifier: Apache-2.0
// Two unpacked layers: are they the same?
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "os/fd.h"

namespace servin::image {

/// Types, modes, owners, sizes, contents, link targets, device numbers, extended attributes. Empty when equal, else the
/// first difference in words ("usr/bin/sh: content differs"). `unjudged`: folders whose mode, owner and extended
/// attributes do not count (relative paths, "." is the root).
std::string compare_trees(const Fd& stored, const Fd& fresh, const std::vector<std::string>& unjudged = {});

/// SHA-256 of a file in hex. `progress` is told how many bytes more have been read.
std::string hash_file(const std::string& path, const std::function<void(std::size_t)>& progress = {});

}  // namespace servin::image
