// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange by libcurl, with everything that libcurl would do by itself turned off: no redirects, cookies,
// .netrc, proxies or credentials out of the environment, no compression of the transfer, no HTTP/0.9.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/fd.h"
#include "transfer/address.h"

namespace servin::transfer {

/// How to reach one registry. Comes over the control socket.
struct EndpointConfig {
  std::string host;            // HOST or HOST:PORT
  bool insecure = false;       // certificates are not checked, plain http is spoken when it has no TLS
  std::string ca, cert, key;   // PEM; ca empty: the system's
  std::string user, password;  // basic, also for the token server
  std::string identity_token;  // an OAuth refresh token instead of a password
  std::string registry_token;  // a bearer token, as it is
  std::string http_proxy, https_proxy, no_proxy;
  std::string token_servers;  // of other domains, which the person wants to have the credentials too; as no_proxy
  std::uint32_t stall_seconds = 30;  // slower than 1 KiB/s for so long: it hangs
  std::uint32_t tries = 5;
};

struct HttpResponse {
  long status = 0;
  std::map<std::string, std::string> headers;  // names in lower case; the last of several
  std::string text;                            // the body, when it did not go to the sink
  std::optional<std::uint64_t> retry_after;    // seconds
  bool elsewhere = false;                      // it is another's, whom the registry leads to
  const std::string& header(const std::string& name) const;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;
  std::string body;
  const Fd* body_file = nullptr;  // instead of `body`, from its start
  std::uint64_t body_size = 0;
  /// The body of an answer with 200 or 206; false stops the transfer.
  std::function<bool(std::string_view)> sink;
  /// Before the first byte of the body; may throw.
  std::function<void(const HttpResponse&)> on_headers;
  std::function<void(std::uint64_t)> on_sent;
  std::size_t text_limit = 1U << 20U;
  bool bulk = false;     // takes as long as it takes; others have a minute
  bool own_host = true;  // the registry itself: it may have the client's certificate
};

/// The connection broke or was never made: worth another try, unless `final`.
class NetworkFailure : public Error {
 public:
  NetworkFailure(Error e, bool last, bool no_tls) : Error(std::move(e)), final_(last), no_tls_(no_tls) {}
  bool is_final() const { return final_; }
  /// There is somebody, but no TLS.
  bool speaks_no_tls() const { return no_tls_; }

 private:
  bool final_;
  bool no_tls_;
};

/// The registry sends what cannot be.
Error lies(const EndpointConfig& config, std::string_view what);

/// What all sessions of one endpoint know of each other.
struct Standing {
  std::atomic<int> reach = -1;  // of the registry, once it is known
  std::atomic<bool> stop = false;
};

/// Keeps connections open between exchanges; belongs to one thread.
class Session {
 public:
  Session(const EndpointConfig& config, Standing& standing);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Throws NetworkFailure, or the Error of a callback or a limit.
  HttpResponse perform(const HttpRequest& request);

 private:
  struct Curl;
  std::unique_ptr<Curl> curl_;
  const EndpointConfig& config_;
  Standing& standing_;
};

}  // namespace servin::transfer
