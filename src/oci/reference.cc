// SPDX-License-Identifier: Apache-2.0
// The grammar is that of docker's "distribution/reference".
#include <algorithm>

#include "base/error.h"
#include "base/id.h"
#include "base/strings.h"
#include "oci/image.h"

namespace servin::oci {

namespace {

constexpr std::string_view default_registry = "docker.io";
constexpr std::string_view built_in_registry = "localhost";
constexpr std::string_view built_in_repository = "servin/base";
constexpr std::size_t max_name = 255;
constexpr std::size_t max_tag = 128;

Error bad(std::string_view text, std::string_view why, std::string_view hint) {
  return error(ErrorCode::invalid_argument, "invalid reference \"{}\": {}", printable(text.substr(0, 200)), why)
      .with_hint(std::string(hint));
}

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_word(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

/// [a-z0-9]+ ((.|_|__|-*) [a-z0-9]+)*
bool valid_component(std::string_view text) {
  if (text.empty() || !is_lower(text.front()) || !is_lower(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    std::size_t length = end - i;
    bool separator = (text[i] == '.' && length == 1) || (text[i] == '_' && length <= 2) || text[i] == '-';
    if (!separator || !is_lower(text[end])) return false;
    i = end;
  }
  return true;
}

bool valid_host(std::string_view host) {
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 4) return false;
    return host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
  }
  for (const std::string& label : split(host, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    for (char c : label)
      if (!(is_word(c) && c != '_') && c != '-') return false;
  }
  return true;
}

bool valid_registry(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    auto port = parse_u64(text.substr(colon + 1));
    if (!port || text.size() - colon > 6 || *port > 65535) return false;
    text = text.substr(0, colon);
  }
  return !text.empty() && valid_host(text);
}

bool valid_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > max_tag || !is_word(tag.front())) return false;
  return std::ranges::all_of(tag, [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

void check_repository(std::string_view text, std::string_view repository) {
  if (lower(repository) != repository)
    throw bad(text, "a repository's name must be lower case", "write it as " + lower(repository));
  for (const std::string& part : split(repository, '/'))
    if (!valid_component(part))
      throw bad(text, "the repository's name is malformed",
                "lower-case letters and digits, with single '.', '_' or '-' between them, as in debian or my/app:1.0");
}

/// Takes the tag and the digest off the end of `rest`.
void parse_suffixes(std::string_view text, std::string_view& rest, Reference& reference) {
  if (std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = Digest::parse(rest.substr(at + 1));
    rest = rest.substr(0, at);
  }
  std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    if (!valid_tag(reference.tag))
      throw bad(text, "the tag is malformed", "a tag is up to 128 letters, digits, '_', '.' and '-'");
    rest = rest.substr(0, colon);
  } else if (reference.digest.empty()) {
    reference.tag = "latest";
  }
}

std::string with_suffixes(std::string name, const Reference& reference) {
  if (!reference.tag.empty()) name += ":" + reference.tag;
  if (!reference.digest.empty()) name += "@" + reference.digest.str();
  return name;
}

}  // namespace

bool looks_like_registry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos || lower(part) != part;
}

Reference Reference::parse(std::string_view text) {
  if (text.empty()) throw bad(text, "it is empty", "write NAME or NAME:TAG");
  if (is_full_id(text))
    throw bad(text, "64 hex digits are an id, not a name", "write sha256: before it, or give the image a name");
  Reference reference;
  std::string_view rest = text;
  parse_suffixes(text, rest, reference);
  std::size_t slash = rest.find('/');
  std::string_view first = rest.substr(0, slash);
  if (slash != std::string_view::npos && looks_like_registry(first)) {
    if (!valid_registry(first)) throw bad(text, "the registry's name is malformed", "a registry is HOST or HOST:PORT");
    reference.registry = first == "index.docker.io" ? default_registry : first;
    reference.repository = rest.substr(slash + 1);
  } else if (rest == "base") {
    reference.registry = built_in_registry;
    reference.repository = built_in_repository;
  } else {
    reference.registry = default_registry;
    reference.repository = rest;
  }
  check_repository(text, reference.repository);
  if (reference.registry == default_registry && reference.repository.find('/') == std::string::npos)
    reference.repository = "library/" + reference.repository;
  if (reference.registry.size() + 1 + reference.repository.size() > max_name)
    throw bad(text, "the name is longer than 255 characters", "choose a shorter name");
  return reference;
}

std::string Reference::str() const { return with_suffixes(registry + "/" + repository, *this); }

std::string Reference::familiar_name() const {
  constexpr std::string_view library = "library/";
  if (registry != default_registry) return registry + "/" + repository;
  if (!repository.starts_with(library)) {
    // "localhost/x" and "a.b/x" would be read as another registry's.
    return looks_like_registry(std::string_view(repository).substr(0, repository.find('/')))
               ? registry + "/" + repository
               : repository;
  }
  std::string_view rest = std::string_view(repository).substr(library.size());
  if (rest == "base") return registry + "/" + repository;  // "base" alone is the built-in image
  // library/a/b: only with its library/ it reads as the same.
  return std::string(rest.find('/') == std::string_view::npos ? rest : repository);
}

std::string Reference::familiar() const { return with_suffixes(familiar_name(), *this); }

}  // namespace servin::oci
