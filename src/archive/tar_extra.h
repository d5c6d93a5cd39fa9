// SPDX-License-Identifier: Apache-2.0
// Private to TarReader: what extended headers (PAX x and g, GNU L and K) said about the member that follows them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/tar_reader.h"

namespace servin::archive {

struct TarReader::Extra {
  std::optional<std::string> long_name;  // GNU L
  std::optional<std::string> long_link;  // GNU K
  // PAX: the last record of a key counts. Only keys that we know are kept.
  std::map<std::string, std::string, std::less<>> records;
  std::vector<std::string>
      sparse_0_0;  // GNU.sparse.offset and .numbytes in their order: in this format the keys repeat
  std::size_t headers = 0;
  std::size_t bytes = 0;

  const std::string* find(std::string_view key) const {
    auto it = records.find(key);
    // An empty value takes back an earlier one: the header's own field holds.
    return it == records.end() || it->second.empty() ? nullptr : &it->second;
  }
};

}  // namespace servin::archive
