// SPDX-License-Identifier: Apache-2.0
#include "transfer/failure.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "transfer/url.h"

namespace servin::transfer {

namespace {

using enum ErrorCode;

// openssl/x509_vfy.h, which we do not otherwise need: libcurl passes these numbers on.
constexpr long not_valid_yet = 9;
constexpr long has_expired = 10;
constexpr long unspecified = 1;  // this and 0: nothing is wrong with the chain, so it is the name

bool has(const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; }

/// The other side speaks TLS, but not with us: it has sent OpenSSL's "... alert ...", or knows old versions only.
bool is_alert(const std::string& text) { return has(text, " alert ") || has(text, "unsupported protocol"); }

std::string folder_of(const EndpointConfig& config) { return "/etc/containers/certs.d/" + config.host; }

Error tls_error(ErrorCode code, std::string message, std::string hint) {
  return Error(code, std::move(message)).with_id("E-REGISTRY-TLS").with_hint(std::move(hint));
}

Error bad_certificate(const EndpointConfig& config, const Breakdown& what, const std::string& subject) {
  if (what.certificate == has_expired)
    return tls_error(permission_denied, subject + ": its certificate has expired",
                     "it has to be renewed at the registry; is this machine's clock right?");
  if (what.certificate == not_valid_yet)
    return tls_error(permission_denied, subject + ": its certificate is not valid yet",
                     "is this machine's clock right?");
  if (what.certificate <= unspecified && what.code == CURLE_PEER_FAILED_VERIFICATION)
    return tls_error(permission_denied, fmt::format("{}: its certificate is for another name: {}", subject, what.text),
                     "use a name that the certificate has, or give the registry one for this name");
  return tls_error(permission_denied, fmt::format("{}: its certificate is not trusted: {}", subject, what.text),
                   fmt::format("put its CA's certificate at {}/ca.crt", folder_of(config)));
}

/// The registry broke the TLS connection off.
Error refused_by_tls(const EndpointConfig& config, const Breakdown& what, const std::string& subject) {
  bool of_certificate = has(what.text, "certificate") || has(what.text, "unknown ca") || what.certificate_wanted;
  if (!of_certificate)
    return tls_error(unavailable, fmt::format("{}: no TLS connection: {}", subject, what.text),
                     "servin speaks TLS 1.2 and 1.3: the registry must be able to");
  if (config.cert.empty())
    return tls_error(permission_denied, subject + " wants a certificate of ours",
                     fmt::format("put it at {0}/client.cert, and its key at {0}/client.key", folder_of(config)));
  return tls_error(permission_denied, fmt::format("{} refuses our certificate: {}", subject, what.text),
                   fmt::format("look at the *.cert and *.key in {}: are they for this registry?", folder_of(config)));
}

Error no_tls(const Breakdown& what, const std::string& subject) {
  return tls_error(unavailable, fmt::format("{}: no TLS connection: {}", subject, what.text),
                   "a registry without TLS needs --tls-verify=false, or \"insecure = true\" in registries.conf");
}

Error proxy_error(const EndpointConfig& config, const Breakdown& what) {
  auto say = [&](std::string_view why, std::string_view hint) {
    return error(what.proxy_status == 0 ? unavailable : permission_denied, "registry {}: the proxy {} {}", config.host,
                 what.proxy, why)
        .with_id("E-REGISTRY-PROXY")
        .with_hint(std::string(hint));
  };
  constexpr std::string_view look = "look at HTTPS_PROXY and HTTP_PROXY; NO_PROXY names the hosts that need none";
  if (what.proxy_status == 407)
    return say("wants a user and a password (407)", "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT has them");
  if (what.proxy_status != 0) return say(fmt::format("refuses the way there ({})", what.proxy_status), look);
  if (what.code == CURLE_COULDNT_RESOLVE_PROXY) return say("has a name that nobody knows", look);
  return say("cannot be reached: " + what.text, look);
}

bool is_proxys_fault(const Breakdown& what) {
  if (what.proxy.empty()) return false;
  bool refused = what.proxy_status != 0 && what.proxy_status / 100 != 2;
  return refused || what.code == CURLE_COULDNT_CONNECT || what.code == CURLE_COULDNT_RESOLVE_PROXY ||
         what.code == CURLE_PROXY;
}

Error other_error(const EndpointConfig& config, const Breakdown& what, const std::string& subject) {
  switch (what.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(unavailable, "{}: no such host", subject)
          .with_id("E-REGISTRY-UNREACHABLE")
          .with_hint("check the name, and this machine's connection and DNS");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return bad_certificate(config, what, subject);
    case CURLE_SSL_CERTPROBLEM:
      return tls_error(failed_precondition, fmt::format("{}: our certificate cannot be used: {}", subject, what.text),
                       fmt::format("look at the *.cert and *.key in {}: PEM, a key without a password, and the one "
                                   "must belong to the other",
                                   folder_of(config)));
    case CURLE_SSL_CONNECT_ERROR:
      return no_tls(what, subject);
    case CURLE_OPERATION_TIMEDOUT:
      return error(timeout, "{}: nothing comes any more: {}", subject, what.text)
          .with_id("E-REGISTRY-STALLED")
          .with_hint("try again: what has arrived is kept");
    case CURLE_OUT_OF_MEMORY:  // a header line beyond libcurl's own limit
#if LIBCURL_VERSION_NUM >= 0x080600
    case CURLE_TOO_LARGE:
#endif
      return lies(config, "its answer has more than may be of headers: " + what.text);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return lies(config, "the answer is no HTTP: " + what.text);
    default:
      return error(unavailable, "{}: {}", subject, what.text)
          .with_id("E-REGISTRY-UNREACHABLE")
          .with_hint("check that it runs and can be reached");
  }
}

bool is_final(const Breakdown& what) {
  constexpr std::array codes = {CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR,
                                CURLE_SSL_CERTPROBLEM,          CURLE_OUT_OF_MEMORY,
                                CURLE_UNSUPPORTED_PROTOCOL,     CURLE_WEIRD_SERVER_REPLY};
  bool refused = is_alert(what.text) && !has(what.text, "internal error");
  // What is no answer may be the rest of an earlier one: a new connection is worth a try.
  bool rest = what.reused && (what.code == CURLE_UNSUPPORTED_PROTOCOL || what.code == CURLE_WEIRD_SERVER_REPLY);
  bool known = std::ranges::find(codes, what.code) != codes.end() && !rest;
  return known || refused || what.proxy_status / 100 == 4;
}

}  // namespace

Error lies(const EndpointConfig& config, std::string_view what) {
  return error(data_loss, "registry {}: {}", config.host, what)
      .with_id("E-REGISTRY-LIES")
      .with_hint("nothing of it was kept; tell the registry's administrator");
}

std::string subject_of(const EndpointConfig& config, const std::string& host) {
  bool itself = host == config.host || host == config.host + ":443" || config.host == "docker.io";
  return "registry " + config.host + (itself ? "" : ", which leads to " + host + ",");
}

NetworkFailure failure_of(const EndpointConfig& config, const Breakdown& what) {
  bool no_tls = what.code == CURLE_SSL_CONNECT_ERROR && !is_alert(what.text) && !what.certificate_wanted;
  if (is_proxys_fault(what)) return {proxy_error(config, what), is_final(what), false};
  std::string subject = subject_of(config, what.host);
  bool broken = what.code == CURLE_SEND_ERROR || what.code == CURLE_RECV_ERROR || what.code == CURLE_GOT_NOTHING ||
                what.code == CURLE_SSL_CONNECT_ERROR;
  bool refused = is_alert(what.text) || (broken && what.certificate_wanted);
  Error e = refused ? refused_by_tls(config, what, subject) : other_error(config, what, subject);
  return {std::move(e), is_final(what), no_tls};
}

std::string proxy_name(const EndpointConfig& config, const std::string& address) {
  Url url;
  bool good = url.set(address, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME);
  constexpr std::array schemes = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
  if (!good || std::ranges::find(schemes, url.get(CURLUPART_SCHEME)) == schemes.end())
    throw error(invalid_argument, "registry {}: the proxy's address is none", config.host)  // it may hold a password
        .with_id("E-REGISTRY-PROXY")
        .with_hint("HTTPS_PROXY and HTTP_PROXY have the form http://HOST:PORT");
  std::string port = url.get(CURLUPART_PORT);
  return printable(url.get(CURLUPART_HOST)) + (port.empty() ? "" : ":" + port);
}

}  // namespace servin::transfer
