// SPDX-License-Identifier: Apache-2.0
#include "engine/local/filters.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace servin::engine {

void check_filter_keys(const FilterMap& filters, const std::vector<std::string>& known) {
  for (const auto& [key, values] : filters) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string hint = did_you_mean_hint(key, known);
    throw error(ErrorCode::invalid_argument, "unknown filter {}", quoted(key))
        .with_id("E-FILTER-UNKNOWN")
        .with_hint(hint.empty() ? "known filters: " + join(known, " ") : hint);
  }
}

bool has_labels(const std::map<std::string, std::string>& labels, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& text) {
    auto pair = split_once(text, '=');
    auto found = labels.find(pair ? pair->first : text);
    return found != labels.end() && (!pair || found->second == pair->second);
  });
}

bool matches_text(std::string_view text, std::string_view pattern) {
  bool at_start = pattern.starts_with('^');
  if (at_start) pattern.remove_prefix(1);
  bool at_end = pattern.ends_with('$');
  if (at_end) pattern.remove_suffix(1);
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  if (at_start && at_end) return text == pattern;
  if (at_start) return text.starts_with(pattern);
  if (at_end) return text.ends_with(pattern);
  return text.find(pattern) != std::string_view::npos;
}

bool matches_prune(const FilterMap& filters, const std::map<std::string, std::string>& labels, Time created) {
  for (const auto& [key, values] : filters) {
    if (key == "label" && !has_labels(labels, values)) return false;
    if (key == "label!" &&
        std::any_of(values.begin(), values.end(), [&](const std::string& v) { return has_labels(labels, {v}); }))
      return false;
    if (key != "until") continue;
    for (const auto& value : values)
      if (created >= parse_since(value, now())) return false;
  }
  return true;
}

bool parse_bool_filter(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw error(ErrorCode::invalid_argument, "filter {}={}: neither true nor false", key, printable(value))
      .with_id("E-OPTION-VALUE")
      .with_hint(key + "=true or " + key + "=false");
}

}  // namespace servin::engine
