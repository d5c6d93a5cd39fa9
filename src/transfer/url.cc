// SPDX-License-Identifier: Apache-2.0
#include "transfer/url.h"

#include <cctype>

#include <fmt/core.h>

#include "base/strings.h"

namespace servin::transfer {

bool Url::set(const std::string& text, unsigned flags) {
  return curl_url_set(handle_, CURLUPART_URL, text.c_str(), flags) == CURLUE_OK;
}

std::string Url::get(CURLUPart part, unsigned flags) const {
  char* text = nullptr;
  if (curl_url_get(handle_, part, &text, flags) != CURLUE_OK) return "";
  std::string out(text);
  curl_free(text);
  return out;
}

std::optional<std::string> resolve_url(const std::string& base, const std::string& location) {
  Url url;
  if (!url.set(base) || !url.set(location)) return std::nullopt;
  std::string scheme = url.get(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  if (!url.get(CURLUPART_USER).empty() || !url.get(CURLUPART_PASSWORD).empty()) return std::nullopt;
  return url.get(CURLUPART_URL);
}

UrlParts parts_of(const std::string& text) {
  Url url;
  url.set(text);
  return {url.get(CURLUPART_SCHEME), lower(url.get(CURLUPART_HOST)), url.get(CURLUPART_PORT, CURLU_DEFAULT_PORT),
          url.get(CURLUPART_PATH)};
}

std::string url_escape(std::string_view text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

}  // namespace servin::transfer
