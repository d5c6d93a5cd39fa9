// SPDX-License-Identifier: Apache-2.0
// The names file of a network (network/dns/names.h), a line at a time: a container that comes or goes does not read
// the records of the others. It is made anew from them when it is missing.
#pragma once

#include <functional>
#include <string>

#include "network/dns/names.h"
#include "network/network.h"

namespace servin::engine {

class NetworkNames {
 public:
  /// RUN/networks/ID
  explicit NetworkNames(std::string dir) : dir_(std::move(dir)) {}

  /// In place of the container's earlier line. `others`: lines of all that are there, asked for when the file is lost.
  void add(const network::NetworkConfig& network, const dns::Endpoint& endpoint,
           const std::function<std::vector<dns::Endpoint>()>& others);
  /// No error for what is not there.
  void remove(const std::string& container);
  void rename(const std::string& container, const std::string& name);
  const std::string& dir() const { return dir_; }

 private:
  void change(const std::function<bool(dns::Names&)>& edit);
  std::string dir_;
};

}  // namespace servin::engine
