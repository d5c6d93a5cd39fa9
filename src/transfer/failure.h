// SPDX-License-Identifier: Apache-2.0
// Why an exchange came to nothing, in words that name the registry and the cure.
#pragma once

#include <string>

#include <curl/curl.h>

#include "transfer/http.h"

namespace servin::transfer {

/// What libcurl knows of it.
struct Breakdown {
  CURLcode code = CURLE_OK;
  std::string text;                 // libcurl's own words
  std::string host;                 // whom we talked to: HOST or HOST:PORT
  std::string proxy;                // HOST:PORT of the proxy between, without its password
  long proxy_status = 0;            // the proxy's answer to CONNECT
  bool certificate_wanted = false;  // of ours, and the connection broke before it said anything else
  bool reused = false;              // the connection had carried an exchange before
  long certificate = 0;             // OpenSSL's X509_V_ERR_* for the registry's
};

NetworkFailure failure_of(const EndpointConfig& config, const Breakdown& what);

/// HOST[:PORT] of a proxy's address, without user and password. Throws when it is none that we could use.
std::string proxy_name(const EndpointConfig& config, const std::string& address);

/// "registry X", or "registry X, which leads to Y,".
std::string subject_of(const EndpointConfig& config, const std::string& host);

}  // namespace servin::transfer
