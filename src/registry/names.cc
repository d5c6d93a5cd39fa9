// SPDX-License-Identifier: Apache-2.0
#include "registry/names.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"
#include "registry/toml.h"

namespace servin::registry {

namespace {

constexpr const char* main_file = "/etc/containers/registries.conf";
constexpr const char* folder = "/etc/containers/registries.conf.d";

bool has_registry(const std::string& text) {
  std::size_t slash = text.find('/');
  return slash != std::string::npos && oci::looks_like_registry(std::string_view(text).substr(0, slash));
}

std::string text_of(const TomlTable& table, const std::string& key) {
  auto found = table.strings.find(key);
  return found == table.strings.end() ? "" : found->second;
}

bool flag_of(const TomlTable& table, const std::string& key) {
  auto found = table.booleans.find(key);
  return found != table.booleans.end() && found->second;
}

RegistryRule::Mirror read_mirror(const TomlTable& table) {
  RegistryRule::Mirror mirror{text_of(table, "location"), flag_of(table, "insecure"), true, true};
  std::string from = text_of(table, "pull-from-mirror");
  mirror.tags = from != "digest-only";
  mirror.digests = from != "tag-only";
  return mirror;
}

RegistryRule read_rule(const TomlTable& table) {
  RegistryRule rule;
  rule.location = text_of(table, "location");
  rule.prefix = text_of(table, "prefix");
  if (rule.prefix.empty()) rule.prefix = rule.location;
  rule.insecure = flag_of(table, "insecure");
  rule.blocked = flag_of(table, "blocked");
  rule.digest_only_mirrors = flag_of(table, "mirror-by-digest-only");
  if (auto mirrors = table.arrays.find("mirror"); mirrors != table.arrays.end())
    for (const TomlTable& mirror : mirrors->second) rule.mirrors.push_back(read_mirror(mirror));
  return rule;
}

/// How many characters of the name a prefix covers; 0: it does not fit. "*.example.com" covers the whole host, whatever
/// its port is.
std::size_t covers(const std::string& prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    std::size_t host = name.find_first_of(prefix.find(':') == std::string::npos ? ":/" : "/");
    return std::string_view(name).substr(0, host).ends_with(std::string_view(prefix).substr(1)) ? host : 0;
  }
  if (prefix.empty() || !name.starts_with(prefix)) return 0;
  bool whole = name.size() == prefix.size() || name[prefix.size()] == '/' || name[prefix.size()] == ':' ||
               name[prefix.size()] == '@';
  return whole ? prefix.size() : 0;
}

Place place_at(const std::string& location, const std::string& rest, bool insecure, bool mirror) {
  std::string full = location + rest;
  std::size_t slash = full.find('/');
  if (slash == std::string::npos)
    throw error(ErrorCode::invalid_argument, "registries.conf: location \"{}\" leaves no image name",
                printable(location))
        .with_id("E-REGISTRIES-CONF");
  return {full.substr(0, slash), full.substr(slash + 1), insecure, mirror};
}

const RegistryRule* rule_for(const std::string& name, const NameRules& rules) {
  const RegistryRule* best = nullptr;
  for (const RegistryRule& rule : rules.rules)
    if (covers(rule.prefix, name) > 0 && (best == nullptr || rule.prefix.size() > best->prefix.size())) best = &rule;
  return best;
}

void refuse_blocked(const RegistryRule& rule, const std::string& name) {
  if (!rule.blocked) return;
  throw error(ErrorCode::permission_denied, "{}: the registry is blocked on this machine", name)
      .with_id("E-REGISTRY-BLOCKED")
      .with_hint("\"blocked = true\" in /etc/containers/registries.conf says so");
}

Place own_place(const oci::Reference& reference, const RegistryRule* rule) {
  std::string name = reference.registry + "/" + reference.repository;
  if (rule == nullptr) return {reference.registry, reference.repository, false, false};
  refuse_blocked(*rule, name);
  if (rule->location.empty() || rule->prefix.starts_with("*."))
    return {reference.registry, reference.repository, rule->insecure, false};
  return place_at(rule->location, name.substr(covers(rule->prefix, name)), rule->insecure, false);
}

Error bad_setting(const std::string& path, const std::string& key, const std::string& value) {
  return error(ErrorCode::invalid_argument, "{}: {}: \"{}\" cannot stand there", path, key, printable(value))
      .with_id("E-REGISTRIES-CONF")
      .with_hint("man containers-registries.conf describes it");
}

void read_short_names(const TomlTable& table, const std::string& path, NameRules& rules) {
  constexpr const char* list_key = "unqualified-search-registries";
  constexpr const char* mode_key = "short-name-mode";
  if (auto list = table.lists.find(list_key); list != table.lists.end()) {
    for (const std::string& host : list->second)
      if (host.find('/') != std::string::npos || !has_registry(host + "/x")) throw bad_setting(path, list_key, host);
    rules.search = list->second;
  }
  std::string mode = text_of(table, mode_key);
  if (!mode.empty() && mode != "enforcing" && mode != "permissive" && mode != "disabled")
    throw bad_setting(path, mode_key, mode);
  if (!mode.empty()) rules.enforcing = mode == "enforcing";
  if (auto names = table.tables.find("aliases"); names != table.tables.end()) {
    for (const auto& [name, target] : names->second.strings) {
      std::erase_if(rules.aliases, [&](const auto& other) { return other.first == name; });
      if (!target.empty()) rules.aliases.emplace_back(name, target);  // "" takes an alias away
    }
  }
}

const std::string* alias_of(const std::string& text, const NameRules& rules) {
  std::string_view name = std::string_view(text).substr(0, text.find('@'));
  if (std::size_t colon = name.rfind(':');
      colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos)
    name = name.substr(0, colon);
  for (const auto& [alias, target] : rules.aliases)
    if (alias == name) return &target;
  return nullptr;
}

}  // namespace

void NameRules::add_file(const std::string& text, const std::string& path) {
  TomlTable table = parse_toml(text, path);
  if (auto list = table.arrays.find("registry"); list != table.arrays.end()) {
    for (const TomlTable& entry : list->second) {
      RegistryRule rule = read_rule(entry);
      std::erase_if(rules, [&](const RegistryRule& other) { return other.prefix == rule.prefix; });
      rules.push_back(std::move(rule));
    }
  }
  read_short_names(table, path, *this);
}

NameRules read_name_rules() {
  NameRules rules;
  const char* other = std::getenv("CONTAINERS_REGISTRIES_CONF");
  std::string path = other != nullptr && *other != '\0' ? other : main_file;
  if (auto text = read_file(path)) rules.add_file(*text, path);
  for (const std::string& name : list_dir(folder)) {
    if (!name.ends_with(".conf")) continue;
    std::string file = std::string(folder) + "/" + name;
    if (auto text = read_file(file)) rules.add_file(*text, file);
  }
  return rules;
}

oci::Reference full_name(const std::string& text, const NameRules& rules) {
  oci::Reference reference = oci::Reference::parse(text);
  const std::string* alias = has_registry(text) ? nullptr : alias_of(text, rules);
  if (alias == nullptr) return reference;
  oci::Reference target = oci::Reference::parse(*alias);
  target.tag = reference.tag;
  target.digest = reference.digest;
  return target;
}

std::vector<oci::Reference> candidates(const std::string& text, const NameRules& rules) {
  oci::Reference reference = full_name(text, rules);
  bool clear = has_registry(text) || reference.registry == "localhost" || alias_of(text, rules) != nullptr;
  if (clear || rules.search.empty()) return {reference};
  std::vector<oci::Reference> list;
  for (const std::string& host : rules.search) list.push_back(oci::Reference::parse(host + "/" + text));
  return list;
}

Error unclear(const std::string& text, const std::vector<oci::Reference>& list, std::string_view why) {
  std::vector<std::string> names;
  for (const oci::Reference& name : list) names.push_back(name.registry + "/" + name.repository);
  return error(ErrorCode::invalid_argument, "\"{}\" may be any of {}, and {}", printable(text), join(names, ", "), why)
      .with_id("E-IMAGE-NAME-SHORT")
      .with_hint("write the full name, such as " + names[0]);
}

std::vector<Place> places_of(const oci::Reference& reference, const NameRules& rules) {
  std::string name = reference.registry + "/" + reference.repository;
  const RegistryRule* rule = rule_for(name, rules);
  std::vector<Place> places;
  Place own = own_place(reference, rule);
  if (rule != nullptr) {
    bool by_digest = !reference.digest.empty();
    for (const RegistryRule::Mirror& mirror : rule->mirrors) {
      bool fits = by_digest ? mirror.digests : mirror.tags && !rule->digest_only_mirrors;
      if (!fits || mirror.location.empty()) continue;
      places.push_back(place_at(mirror.location, name.substr(covers(rule->prefix, name)), mirror.insecure, true));
    }
  }
  places.push_back(std::move(own));
  return places;
}

Place home_of(const oci::Reference& reference, const NameRules& rules) {
  return own_place(reference, rule_for(reference.registry + "/" + reference.repository, rules));
}

}  // namespace servin::registry
