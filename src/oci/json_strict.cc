// SPDX-License-Identifier: Apache-2.0
#include "oci/json_strict.h"

#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "oci/json_list.h"

namespace servin::oci::detail {

namespace {

/// nlohmann keeps the last of two equal keys, others keep the first: two readers would see two images.
class DuplicateKeys {
 public:
  explicit DuplicateKeys(std::string_view what) : what_(what) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > max_json_depth)
      throw error(ErrorCode::invalid_argument, "{}: nested deeper than {} levels", what_, max_json_depth)
          .with_id("E-IMAGE-INVALID");
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key && !open_.back().insert(parsed.get<std::string>()).second)
      throw error(ErrorCode::invalid_argument, "{}: the key {} is there twice", what_,
                  servin::quoted(printable(parsed.get_ref<const std::string&>().substr(0, 100))))
          .with_id("E-IMAGE-INVALID");
    return true;
  }

 private:
  std::string_view what_;
  std::vector<std::set<std::string>> open_;
};

}  // namespace

Json parse_strict(std::string_view text, std::size_t limit, std::string_view what) {
  if (text.size() > limit)
    throw error(ErrorCode::resource_exhausted, "{}: {} bytes, more than the {} allowed", what, text.size(), limit)
        .with_id("E-IMAGE-INVALID");
  try {
    return Json::parse(text.begin(), text.end(), DuplicateKeys(what));
  } catch (const Json::parse_error& e) {
    throw error(ErrorCode::invalid_argument, "{}: not valid JSON at byte {}", what, e.byte).with_id("E-IMAGE-INVALID");
  } catch (const Json::exception&) {
    throw error(ErrorCode::invalid_argument, "{}: not valid JSON", what).with_id("E-IMAGE-INVALID");
  }
}

void Node::fail(std::string_view problem) const {
  throw error(ErrorCode::invalid_argument, "{}: {}", path_, problem).with_id("E-IMAGE-INVALID");
}

void Node::require_object() const {
  if (!json_->is_object()) fail("must be an object");
}

std::optional<Node> Node::find(const char* key) const {
  require_object();
  auto member = json_->find(key);
  if (member == json_->end() || member->is_null()) return std::nullopt;
  return Node(*member, path_ + "." + key);
}

Node Node::at(const char* key) const {
  auto member = find(key);
  if (!member) Node(*json_, path_ + "." + key).fail("is missing");
  return *member;
}

std::string Node::string() const {
  if (!json_->is_string()) fail("must be a string");
  const auto& text = json_->get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) fail("holds a NUL character");
  return text;
}

bool Node::boolean() const {
  if (!json_->is_boolean()) fail("must be true or false");
  return json_->get<bool>();
}

std::uint64_t Node::size() const {
  // A number too large for 64 bits has become a double, a negative one is signed: neither is unsigned.
  if (!json_->is_number_unsigned() || json_->get<std::uint64_t>() > INT64_MAX)
    fail("must be a whole number of bytes, not negative");
  return json_->get<std::uint64_t>();
}

Digest Node::digest() const {
  std::string text = string();
  try {
    return Digest::parse(text);
  } catch (Error& e) {
    throw e.context(path_);
  }
}

std::vector<Node> Node::list() const {
  if (!json_->is_array()) fail("must be a list");
  std::vector<Node> nodes;
  nodes.reserve(json_->size());
  for (std::size_t i = 0; i < json_->size(); ++i)
    nodes.emplace_back((*json_)[i], path_ + "[" + std::to_string(i) + "]");
  return nodes;
}

std::vector<std::string> Node::strings() const {
  std::vector<std::string> texts;
  for (const Node& node : list()) texts.push_back(node.string());
  return texts;
}

std::vector<std::string> Node::keys() const {
  require_object();
  std::vector<std::string> names;
  for (const auto& member : json_->items()) {
    if (member.key().find('\0') != std::string::npos) fail("has a name with a NUL character");
    names.push_back(member.key());
  }
  return names;
}

std::map<std::string, std::string> Node::string_map() const {
  std::map<std::string, std::string> map;
  for (const std::string& name : keys()) {
    const Json& value = (*json_)[name];
    map[name] = Node(value, path_ + "." + printable(name.substr(0, 100))).string();
  }
  return map;
}

std::string Node::string_or(const char* key, std::string fallback) const {
  auto member = find(key);
  return member ? member->string() : fallback;
}

std::vector<std::string> Node::strings_or_empty(const char* key) const {
  auto member = find(key);
  return member ? member->strings() : std::vector<std::string>();
}

}  // namespace servin::oci::detail

namespace servin::oci {

std::vector<std::string> parse_string_list(std::string_view json, std::string_view what) {
  constexpr std::size_t limit = 1U << 20U;
  detail::Json document = detail::parse_strict(json, limit, what);
  return detail::Node(document, std::string(what)).strings();
}

}  // namespace servin::oci
