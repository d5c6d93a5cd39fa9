// SPDX-License-Identifier: Apache-2.0
#include "transfer/endpoint.h"

#include <algorithm>
#include <thread>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/strings.h"
#include "base/time.h"
#include "transfer/url.h"

namespace servin::transfer {

namespace {

using Json = nlohmann::json;

constexpr int max_redirects = 10;
constexpr std::uint64_t longest_wait = 60;  // seconds; who asks for more is told to the person
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t default_token_life = 60 * second;
constexpr std::size_t max_token = 64U << 10U;

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// What may stand in a header of ours.
bool is_token_text(std::string_view text) {
  return !text.empty() && text.size() <= max_token &&
         std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

/// The registry's own words: {"errors":[{"code":..., "message":...}]}.
std::string words_of(const std::string& body) {
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return "";
  auto errors = json.find("errors");
  if (errors != json.end() && errors->is_array() && !errors->empty() && (*errors)[0].is_object()) {
    const Json& first = (*errors)[0];
    for (const char* key : {"message", "code"})
      if (auto text = first.find(key); text != first.end() && text->is_string() && !text->get<std::string>().empty())
        return printable(text->get<std::string>().substr(0, 200));
  }
  if (auto text = json.find("details"); text != json.end() && text->is_string())
    return printable(text->get<std::string>().substr(0, 200));
  return "";
}

}  // namespace

bool is_passing(long status) { return status == 429 || status == 408 || status >= 500; }

Error status_error(const EndpointConfig& config, const HttpResponse& response, std::string_view what) {
  std::string words = words_of(response.text);
  std::string tail = words.empty() ? "" : ": " + words;
  using enum ErrorCode;
  switch (response.status) {
    case 401:
    case 403:
      return error(permission_denied, "registry {} denies {}{}", config.host, what, tail)
          .with_id("E-REGISTRY-DENIED")
          .with_hint(config.user.empty() && config.identity_token.empty() ? "log in: servin login " + config.host
                                                                          : "check the account and its rights");
    case 404:
      return error(not_found, "registry {} has no {}{}", config.host, what, tail)
          .with_id("E-REGISTRY-NOT-FOUND")
          .with_hint("check the name and the tag; a private image needs servin login " + config.host);
    case 407:  // a tunnel's is told by failure.cc
      return error(permission_denied, "registry {}: the proxy wants a user and a password (407)", config.host)
          .with_id("E-REGISTRY-PROXY")
          .with_hint("HTTP_PROXY=http://USER:PASSWORD@HOST:PORT has them");
    case 429:
      return error(unavailable, "registry {} has had enough requests for now{}{}", config.host,
                   response.retry_after ? fmt::format(": try again in {} s", *response.retry_after) : "", tail)
          .with_id("E-REGISTRY-LIMIT")
          .with_hint("wait, or log in: accounts have higher limits");
    default:
      return error(unavailable, "registry {} answers {} for {}{}", config.host, response.status, what, tail)
          .with_id("E-REGISTRY-FAILED")
          .with_hint("try again later; if it stays so, look at the registry's own log");
  }
}

void Endpoint::pause(std::uint32_t number, const std::optional<std::uint64_t>& asked, const Error& reason) {
  if (number >= config_.tries || (asked && *asked > longest_wait)) throw Error(reason);
  std::int64_t wait = 200'000'000LL << std::min<std::uint32_t>(number, 6);
  if (asked) wait = std::max(wait, static_cast<std::int64_t>(*asked) * second);
  for (std::int64_t end = monotonic_ns() + wait; monotonic_ns() < end;) {
    if (standing_.stop) throw Error(ErrorCode::cancelled, "stopped");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

HttpResponse Endpoint::ping(Session& session, const std::string& base) {
  HttpRequest request;
  request.url = base + "/v2/";
  HttpResponse response = session.perform(request);
  if (is_redirect(response.status)) {
    request.url = check_target(request.url, response.header("location"), "a redirect");
    request.own_host = parts_of(request.url).host == parts_of(base).host;
    response = session.perform(request);
    response.elsewhere = parts_of(request.url).origin() != parts_of(base).origin();
  }
  return response;
}

void Endpoint::remember(const HttpResponse& response) {
  // Only the registry says who may have its credentials, and nobody to whom it leads.
  if (response.status != 401 || response.elsewhere) return;
  for (const Challenge& challenge : parse_challenges(response.header("www-authenticate"))) {
    auto value = [&](const char* key) {
      auto found = challenge.values.find(key);
      return found == challenge.values.end() ? std::string() : found->second;
    };
    if (challenge.scheme == "bearer" && !value("realm").empty()) {
      std::string realm = check_target(base_ + "/", value("realm"), "a token server");
      if (realm != realm_ || service_ != value("service")) tokens_.clear();
      scheme_ = "bearer";
      realm_ = realm;
      service_ = value("service");
      return;
    }
    if (challenge.scheme == "basic") scheme_ = "basic";
  }
}

void Endpoint::find_scheme(Session& session) {
  std::unique_lock lock(mutex_);
  if (!base_.empty()) return;
  std::string host = config_.host == "docker.io" ? "registry-1.docker.io" : config_.host;
  std::string bare = parts_of("https://" + host).host;
  if (bare.empty())
    throw error(ErrorCode::invalid_argument, "\"{}\" is no registry", printable(config_.host))
        .with_id("E-REGISTRY-UNREACHABLE")
        .with_hint("a registry is HOST or HOST:PORT");
  bool plain_allowed = config_.insecure || reach_of_host(bare) == Reach::this_machine;
  HttpResponse response;
  try {
    std::string base = "https://" + host;
    response = ping(session, base);
    base_ = base;
  } catch (const NetworkFailure& failure) {
    // Only to this machine or where it was allowed, and only when there is no TLS at all: a bad certificate is no
    // reason to send a password in the clear.
    if (!plain_allowed || !failure.speaks_no_tls()) throw;
    std::string base = "http://" + host;
    response = ping(session, base);
    base_ = base;
  }
  remember(response);
}

std::string Endpoint::check_target(const std::string& from, const std::string& location, std::string_view what) const {
  auto refuse = [&](std::string_view why) {
    return error(ErrorCode::permission_denied, "registry {}: {} at \"{}\": {}", config_.host, what,
                 printable(std::string_view(location).substr(0, 200)), why)
        .with_id("E-REGISTRY-REDIRECT")
        .with_hint("a registry may lead to https addresses only, and not into networks that it is not in itself");
  };
  auto url = resolve_url(from, location);
  if (!url) throw refuse("that is no https address");
  UrlParts to = parts_of(*url), here = parts_of(from);
  if (to.scheme != "https" && here.scheme != "http") throw refuse("the way back to plain http is refused");
  if (to.host == here.host) return *url;
  auto reach = reach_of_host(to.host);
  auto own = reach_of_host(parts_of("https://" + config_.host).host);
  int known = standing_.reach;
  Reach registry = known >= 0 ? static_cast<Reach>(known) : own.value_or(Reach::everywhere);
  if (reach && !may_lead(registry, *reach)) throw refuse(fmt::format("that is {}", to_string(*reach)));
  return *url;
}

/// Redirects by hand: each target is looked at, and what is secret stays with the registry.
HttpResponse Endpoint::follow(Session& session, HttpRequest request) {
  std::string origin = parts_of(base_).origin();
  for (int hop = 0; hop <= max_redirects; ++hop) {
    HttpResponse response = session.perform(request);
    response.elsewhere = parts_of(request.url).origin() != origin;
    if (!is_redirect(response.status)) return response;
    std::string target = check_target(request.url, response.header("location"), "a redirect");
    if (parts_of(target).origin() != origin)
      std::erase_if(request.headers, [](const std::string& h) { return lower(h).starts_with("authorization:"); });
    request.own_host = parts_of(target).host == parts_of(base_).host;
    if (response.status == 303) {
      request.method = "GET";
      request.body.clear();
      request.body_file = nullptr;
    }
    request.url = target;
  }
  throw error(ErrorCode::data_loss, "registry {}: more than {} redirects", config_.host, max_redirects)
      .with_id("E-REGISTRY-REDIRECT")
      .with_hint("the registry leads in circles");
}

/// A password goes to the registry's own domain, or where the person has said so.
void Endpoint::check_token_server() const {
  if (config_.user.empty() && config_.identity_token.empty()) return;
  UrlParts realm = parts_of(realm_);
  if (same_site(realm.host, parts_of(base_).host)) return;
  if (is_exempt(realm.host, realm.port, config_.token_servers)) return;
  throw error(ErrorCode::permission_denied, "registry {} wants the credentials sent to {}", config_.host,
              printable(realm.host))
      .with_id("E-REGISTRY-TOKEN-SERVER")
      .with_hint("if that is its token server: SERVIN_TOKEN_SERVERS=" + printable(realm.host));
}

HttpRequest Endpoint::token_request(const std::string& scope, bool offline) const {
  check_token_server();
  HttpRequest request;
  request.own_host = parts_of(realm_).host == parts_of(base_).host;
  if (!config_.identity_token.empty()) {
    request.method = "POST";
    request.url = realm_;
    request.headers = {"Content-Type: application/x-www-form-urlencoded"};
    request.body = "grant_type=refresh_token&client_id=servin&service=" + url_escape(service_) +
                   "&refresh_token=" + url_escape(config_.identity_token);
    if (!scope.empty()) request.body += "&scope=" + url_escape(scope);
    return request;
  }
  std::string query;
  auto add = [&](std::string_view key, const std::string& value) {
    query += fmt::format("{}{}={}", query.empty() ? "" : "&", key, url_escape(value));
  };
  if (!service_.empty()) add("service", service_);
  for (const std::string& part : split(scope, ' '))
    if (!part.empty()) add("scope", part);
  if (!config_.user.empty()) {
    add("account", config_.user);
    if (offline) {
      add("offline_token", "true");
      add("client_id", "servin");
    }
    request.headers = {"Authorization: Basic " + base64(config_.user + ":" + config_.password)};
  }
  request.url = realm_ + (realm_.find('?') == std::string::npos ? "?" : "&") + query;
  return request;
}

Endpoint::Token Endpoint::fetch_token(Session& session, const std::string& scope, bool offline, std::string* refresh) {
  HttpRequest request = token_request(scope, offline);
  HttpResponse response = session.perform(request);
  for (std::uint32_t number = 1; is_passing(response.status); ++number) {
    pause(number, response.retry_after, status_error(config_, response, "a token"));
    response = session.perform(request);
  }
  if (response.status == 405 && request.method == "POST") response.status = 401;
  if (response.status != 200) throw status_error(config_, response, "a token");
  Json json = Json::parse(response.text, nullptr, false);
  auto text = [&](const char* key) {
    if (!json.is_object()) return std::string();
    auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Token token;
  token.value = text("token").empty() ? text("access_token") : text("token");
  if (!is_token_text(token.value)) throw lies(config_, "the token server's answer has no usable token in it");
  token.until = monotonic_ns() + default_token_life;
  if (auto life = json.find("expires_in"); life != json.end() && life->is_number_integer()) {
    auto seconds = std::clamp<std::int64_t>(life->get<std::int64_t>(), 10, 3600);
    token.until = monotonic_ns() + seconds * second * 9 / 10;
  }
  if (refresh != nullptr && is_token_text(text("refresh_token"))) *refresh = text("refresh_token");
  return token;
}

std::string Endpoint::authorization(Session& session, const std::vector<std::string>& scopes, bool anew) {
  std::unique_lock lock(mutex_);
  if (!config_.registry_token.empty()) return "Bearer " + config_.registry_token;
  if (scheme_ == "basic") {
    if (config_.user.empty()) return "";
    return "Basic " + base64(config_.user + ":" + config_.password);
  }
  if (scheme_ != "bearer") return "";
  std::string scope = join(scopes, " ");
  auto known = tokens_.find(scope);
  if (known == tokens_.end() || anew || known->second.until < monotonic_ns())
    known = tokens_.insert_or_assign(scope, fetch_token(session, scope, false, nullptr)).first;
  return "Bearer " + known->second.value;
}

HttpResponse Endpoint::exchange(Session& session, HttpRequest request, const std::vector<std::string>& scopes) {
  find_scheme(session);
  bool elsewhere = false;
  if (request.url.starts_with('/')) {
    request.url = base_ + request.url;
  } else {
    request.url = check_target(base_ + "/", request.url, "an upload");
    elsewhere = parts_of(request.url).origin() != parts_of(base_).origin();
  }
  request.own_host = parts_of(request.url).host == parts_of(base_).host;
  std::vector<std::string> plain = request.headers;
  for (bool again = false;; again = true) {
    request.headers = plain;
    std::string secret = elsewhere ? "" : authorization(session, scopes, again);
    if (!secret.empty()) request.headers.push_back("Authorization: " + secret);
    HttpResponse response = follow(session, request);
    if (response.status != 401 || again || response.elsewhere) return response;
    std::unique_lock lock(mutex_);
    remember(response);
    bool hopeless = scheme_.empty() || (scheme_ == "basic" && config_.user.empty()) || !config_.registry_token.empty();
    if (hopeless) return response;
    // The same password once more will not please it either.
    if (scheme_ == "basic" && !secret.empty()) return response;
  }
}

HttpResponse Endpoint::exchange_patiently(Session& session, const HttpRequest& request,
                                          const std::vector<std::string>& scopes) {
  for (std::uint32_t number = 1;; ++number) {
    try {
      HttpResponse response = exchange(session, request, scopes);
      if (!is_passing(response.status)) return response;
      pause(number, response.retry_after, status_error(config_, response, "a request"));
    } catch (const NetworkFailure& failure) {
      // Nobody there from the start: the person waits for an answer, not for a miracle.
      bool never_met = [&] {
        std::unique_lock lock(mutex_);
        return base_.empty();
      }();
      if (failure.is_final() || never_met) throw;
      // Who stalls has had half a minute each time.
      pause(failure.code() == ErrorCode::timeout ? number + 2 : number, std::nullopt, failure);
    }
  }
}

std::string Endpoint::login(Session& session) {
  find_scheme(session);
  std::string refresh;
  {
    std::unique_lock lock(mutex_);
    if (scheme_ == "bearer") tokens_[""] = fetch_token(session, "", true, &refresh);
  }
  HttpRequest request;
  request.url = "/v2/";
  HttpResponse response = exchange_patiently(session, request, {});
  if (response.status != 200) throw status_error(config_, response, "the login");
  return refresh;
}

}  // namespace servin::transfer
