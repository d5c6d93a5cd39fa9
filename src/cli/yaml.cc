// SPDX-License-Identifier: Apache-2.0
#include "cli/yaml.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace servin::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Plain words stay plain; all that YAML could read as something else is quoted (JSON's strings are YAML's).
bool is_plain(const std::string& text) {
  static constexpr std::array<std::string_view, 9> words = {"true", "false", "null", "yes", "no",
                                                            "on",   "off",   "y",    "n"};
  if (text.empty() || std::ranges::find(words, lower(text)) != words.end()) return false;
  char first = text.front();
  bool letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '_' || first == '/';
  if (!letter || text.back() == ' ' || text.back() == ':') return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '/' ||
           c == '.' || c == '-' || c == ' ';
  });
}

std::string scalar(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return is_plain(text) ? text : servin::quoted(text);
  }
  if (value.is_array()) return "[]";
  if (value.is_object()) return "{}";
  return value.dump();
}

bool nested(const Json& value) { return value.is_structured() && !value.empty(); }

void write(std::string& text, const Json& value, std::size_t indent, bool inline_first) {
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!(first && inline_first)) text.append(indent, ' ');
    first = false;
    if (value.is_array()) {
      text += "- ";
      if (!nested(item)) {
        text += scalar(item) + "\n";
      } else {
        write(text, item, indent + 2, true);
      }
      continue;
    }
    text += (is_plain(key) ? key : servin::quoted(key)) + ":";
    if (!nested(item)) {
      text += " " + scalar(item) + "\n";
    } else {
      text += "\n";
      write(text, item, indent + 2, false);
    }
  }
}

}  // namespace

std::string to_yaml(const Json& value) {
  if (!nested(value)) return scalar(value) + "\n";
  std::string text;
  write(text, value, 0, false);
  return text;
}

}  // namespace servin::cli
