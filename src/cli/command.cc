// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

namespace servin::cli {

std::string_view option_key(const OptionSpec& option) {
  std::string_view name = option.names;
  name.remove_prefix(name.rfind(',') + 1);  // npos + 1 is 0
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

bool Parsed::flag(std::string_view key) const {
  auto at = values.find(key);
  return at != values.end() && at->second.back() == "true";
}

std::optional<std::string> Parsed::value(std::string_view key) const {
  auto at = values.find(key);
  if (at == values.end()) return std::nullopt;
  return at->second.back();
}

std::string Parsed::value_or(std::string_view key, std::string_view otherwise) const {
  auto found = value(key);
  return found ? *found : std::string(otherwise);
}

const std::vector<std::string>& Parsed::all(std::string_view key) const {
  static const std::vector<std::string> none;
  auto at = values.find(key);
  return at == values.end() ? none : at->second;
}

}  // namespace servin::cli
