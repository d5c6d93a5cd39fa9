// SPDX-License-Identifier: Apache-2.0
// --filter key=value of lists and prunes. Values of one key are alternatives, keys all hold.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace servin::engine {

using FilterMap = std::map<std::string, std::vector<std::string>>;

/// Throws for an unknown key, naming the nearest known one.
void check_filter_keys(const FilterMap& filters, const std::vector<std::string>& known);
/// "key" or "key=value", each of them in the labels (labels are not alternatives: all must hold).
bool has_labels(const std::map<std::string, std::string>& labels, const std::vector<std::string>& wanted);
/// Does the text match the pattern: somewhere inside, or with ^ and $ at its ends.
bool matches_text(std::string_view text, std::string_view pattern);
/// until=, label=, label!= of the prunes.
bool matches_prune(const FilterMap& filters, const std::map<std::string, std::string>& labels, Time created);
/// true, false, 1, 0.
bool parse_bool_filter(const std::string& key, const std::string& value);

}  // namespace servin::engine
