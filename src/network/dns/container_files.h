// SPDX-License-Identifier: Apache-2.0
// What a container gets as /etc/hosts and /etc/resolv.conf. Pure: texts in, texts out.
#pragma once

#include <string>
#include <vector>

namespace servin::dns {

struct FilesRequest {
  enum class Network {
    none,  // loopback only
    host,  // the host's
    own,   // bridge or another network of the engine's
  };
  Network network = Network::none;
  std::string hostname, domainname;
  std::vector<std::string> extra_hosts;  // --add-host: "NAME:ADDRESS", "NAME=ADDRESS", ADDRESS may be host-gateway
  std::vector<std::string> dns, dns_search, dns_options;

  // Network::own
  std::vector<std::string> addresses;       // the container's
  std::vector<std::string> host_addresses;  // the host's in its networks: bridge gateways; empty where it has none
  bool resolver = false;                    // user-defined network: netd listens on `host_addresses`
};

/// The host's files, as text.
struct HostFiles {
  std::string hosts, resolv_conf;
};

struct ContainerFiles {
  std::string hosts, resolv_conf;
  /// The name server is one on the network's gateway, which has to run: on a user-defined network, and where the host's
  /// own name servers listen on its loopback, which no container reaches.
  bool needs_resolver = false;
};

/// Throws E-OPTION-CONFLICT for host-gateway where there is no way to the host.
ContainerFiles plan_files(const FilesRequest& request, const HostFiles& host);
/// --network container:NAME: the other one's files, with own --add-host behind.
ContainerFiles plan_shared_files(const FilesRequest& request, const HostFiles& of_other);

}  // namespace servin::dns
