// SPDX-License-Identifier: Apache-2.0
#include "image/names.h"

#include "base/error.h"
#include "base/id.h"

namespace servin::image {

namespace {
constexpr std::string_view digest_prefix = "sha256:";
}

std::vector<oci::Reference> names_of(const std::string& text) {
  if (text.starts_with(digest_prefix) || is_full_id(text)) return {};
  std::vector<oci::Reference> names = {oci::Reference::parse(text)};
  if (text.find('/') == std::string::npos && names[0].registry == "docker.io")
    names.push_back(oci::Reference::parse("localhost/" + text));
  return names;
}

bool names_it(const std::string& text, const std::string& reference) {
  try {
    for (const oci::Reference& name : names_of(text))
      if (name.str() == reference) return true;
  } catch (const Error&) {
    // Not a name.
  }
  return false;
}

std::string id_prefix(const std::string& text) {
  std::string hex = text.starts_with(digest_prefix) ? text.substr(digest_prefix.size()) : text;
  return is_id_prefix(hex) ? hex : "";
}

}  // namespace servin::image
