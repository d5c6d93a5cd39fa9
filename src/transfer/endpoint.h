// SPDX-License-Identifier: Apache-2.0
// One registry: which scheme it speaks, what it wants to see (basic, tokens of a token server), redirects, retries.
// OCI distribution-spec 1.1; the token protocol is the one of distribution/distribution (docs/spec/auth).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "transfer/challenge.h"
#include "transfer/http.h"

namespace servin::transfer {

class Endpoint {
 public:
  explicit Endpoint(EndpointConfig config) : config_(std::move(config)) {}

  const EndpointConfig& config() const { return config_; }
  Standing& standing() { return standing_; }

  /// `request.url` is a path ("/v2/...") or a whole address (an upload's Location). `scopes`: what a token has to
  /// allow ("repository:NAME:pull"). Follows redirects, gets tokens; one try as far as the network is concerned.
  HttpResponse exchange(Session& session, HttpRequest request, const std::vector<std::string>& scopes);
  /// The same with as many tries as are sensible.
  HttpResponse exchange_patiently(Session& session, const HttpRequest& request, const std::vector<std::string>& scopes);
  /// Are the credentials good? The identity token, when the token server gives one instead of the password.
  std::string login(Session& session);

  /// Waits before try number `number` (1 is the first repetition), or throws `reason` when there is no sense in it.
  void pause(std::uint32_t number, const std::optional<std::uint64_t>& asked, const Error& reason);

 private:
  struct Token {
    std::string value;
    std::int64_t until = 0;  // monotonic
  };
  void find_scheme(Session& session);
  HttpResponse ping(Session& session, const std::string& base);
  void remember(const HttpResponse& response);
  std::string authorization(Session& session, const std::vector<std::string>& scopes, bool anew);
  Token fetch_token(Session& session, const std::string& scope, bool offline, std::string* refresh);
  void check_token_server() const;
  HttpRequest token_request(const std::string& scope, bool offline) const;
  HttpResponse follow(Session& session, HttpRequest request);
  std::string check_target(const std::string& from, const std::string& location, std::string_view what) const;

  EndpointConfig config_;
  Standing standing_;
  std::mutex mutex_;    // of what follows; held while a token is fetched, so that it is fetched once
  std::string base_;    // "https://HOST"; empty until it is known
  std::string scheme_;  // "", "basic", "bearer"
  std::string realm_, service_;
  std::map<std::string, Token> tokens_;  // by scope
};

/// The error for a status that is no success. `what`: "manifest latest of library/alpine".
Error status_error(const EndpointConfig& config, const HttpResponse& response, std::string_view what);
bool is_passing(long status);  // worth another try

}  // namespace servin::transfer
