// SPDX-License-Identifier: Apache-2.0
// The part of TOML 1.0 that registries.conf is written in: tables, tables in arrays, strings, booleans, numbers and
// arrays of strings. What is more than that is an error that names the line; nothing is skipped.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace servin::registry {

struct TomlTable {
  std::map<std::string, std::string> strings;  // numbers as they are written
  std::map<std::string, bool> booleans;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, TomlTable> tables;
  std::map<std::string, std::vector<TomlTable>> arrays;  // [[name]]
};

/// `name`: the file's, for messages. Throws invalid_argument.
TomlTable parse_toml(std::string_view text, const std::string& name);

}  // namespace servin::registry
