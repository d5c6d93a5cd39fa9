// SPDX-License-Identifier: Apache-2.0
// transfer/client: the engine's side of servin-transfer. Starts it, sends requests, reads answers. What it says is
// hostile input: it has spoken with a registry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/error.h"
#include "os/fd.h"

namespace servin::transfer {

/// One registry as the engine knows it. Everything secret in it goes over the control socket only.
struct Registry {
  std::string host;  // HOST or HOST:PORT
  bool insecure = false;
  std::string ca, cert, key;  // PEM
  std::string user, password, identity_token, registry_token;
  std::string http_proxy, https_proxy, no_proxy;
  std::string token_servers;  // hosts that may have the credentials besides the registry's own domain
};

/// What came back. Only one of progress, finished is meant.
struct Answer {
  std::uint64_t id = 0;
  bool finished = false;
  std::uint64_t progress = 0;
  std::optional<Error> failure;
  std::map<std::string, std::string> values;              // strings and numbers of the result
  std::map<std::string, std::vector<std::string>> lists;  // of strings
  struct Found {
    std::string name, description;
    std::uint64_t stars = 0;
    bool official = false;
  };
  std::vector<Found> found;  // of a search
  const std::string& value(const std::string& key) const;
};

class Client {
 public:
  Client();
  /// Ends the program, whatever it is at.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::uint64_t add(const Registry& registry);

  struct Request {
    std::uint64_t endpoint = 0;
    std::string op;
    std::map<std::string, std::string> text;
    std::map<std::string, std::uint64_t> numbers;
    std::vector<std::string> from;
    const Fd* fd = nullptr;
  };
  /// Returns the id that the answer will have.
  std::uint64_t send(const Request& request);
  /// The next answer; waits for it. Throws when the program is gone.
  Answer receive();
  /// Is there something to receive without waiting?
  const Fd& socket() const { return socket_; }
  bool has_line() const;
  /// send() and receive() until it is answered; throws its error.
  Answer call(const Request& request);

 private:
  Fd socket_;
  pid_t pid_ = 0;
  std::uint64_t next_ = 1;
  std::string pending_;
};

}  // namespace servin::transfer
