// SPDX-License-Identifier: Apache-2.0
// Addresses as libcurl reads them, so that what is checked is what is asked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <curl/curl.h>

namespace servin::transfer {

class Url {
 public:
  Url() = default;
  Url(const Url&) = delete;
  Url& operator=(const Url&) = delete;
  ~Url() { curl_url_cleanup(handle_); }

  /// False: that is no address. A relative one is seen from the one before.
  bool set(const std::string& text, unsigned flags = 0);
  /// Empty: it has none.
  std::string get(CURLUPart part, unsigned flags = 0) const;

 private:
  CURLU* handle_ = curl_url();
};

struct UrlParts {
  std::string scheme, host, port, path;
  std::string origin() const { return scheme + "://" + host + ":" + port; }
};
/// `location` as seen from `base`; nothing when it is no http or https address, or has a user in it.
std::optional<std::string> resolve_url(const std::string& base, const std::string& location);
UrlParts parts_of(const std::string& url);
std::string url_escape(std::string_view text);

}  // namespace servin::transfer
