// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON that decides which bytes are used: a document means the same to every reader or is refused.
// Duplicate keys, bad UTF-8, depth beyond 64, NUL characters in strings and wrong types are errors that name the field.
// Only for the .cc files of this room: it brings nlohmann's header with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "oci/digest.h"

namespace servin::oci::detail {

using Json = nlohmann::json;

constexpr int max_json_depth = 64;

/// Throws invalid_argument "WHAT: ...", resource_exhausted when it is longer than `limit`.
Json parse_strict(std::string_view text, std::size_t limit, std::string_view what);

/// A value and where it stands in its document ("manifest.layers[3].size").
class Node {
 public:
  Node(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  /// Nothing when the member is absent or null (docker writes null for empty lists).
  std::optional<Node> find(const char* key) const;
  Node at(const char* key) const;
  bool has(const char* key) const { return find(key).has_value(); }

  std::string string() const;
  bool boolean() const;
  /// 0 .. 2^63-1
  std::uint64_t size() const;
  Digest digest() const;
  std::vector<Node> list() const;
  std::vector<std::string> strings() const;
  /// The names of an object's members ({"80/tcp": {}}).
  std::vector<std::string> keys() const;
  std::map<std::string, std::string> string_map() const;
  void require_object() const;

  std::string string_or(const char* key, std::string fallback = "") const;
  std::vector<std::string> strings_or_empty(const char* key) const;

  [[noreturn]] void fail(std::string_view problem) const;
  const std::string& path() const { return path_; }

 private:
  const Json* json_;
  std::string path_;
};

}  // namespace servin::oci::detail
