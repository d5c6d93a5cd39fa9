// SPDX-License-Identifier: Apache-2.0
// RUN/networks/ID/names: what the resolver of one user-defined network knows. The engine writes it by rename whenever a
// container comes, goes or is renamed; netd (which cannot read the database) sees the new one at the next query.
//   !network NAME, !internal, !listen ADDRESS     what the network is
//   IP4|- IP6|- ID NAME [ALIAS|@NAMESERVER]...    one line per container
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::dns {

struct Endpoint {
  std::string ip4, ip6;  // "" = none
  std::string id;        // 64 hex digits
  std::string name;
  std::vector<std::string> aliases;
  std::vector<std::string> dns;  // --dns of the container: name servers for what this network does not know
};

struct Names {
  std::string network;                // its name: "db.NETWORK" is "db"
  bool internal = false;              // nothing is forwarded
  std::vector<std::string> gateways;  // addresses that netd listens on
  std::vector<Endpoint> endpoints;
};

std::string format_names(const Names& names);
/// Lines and words that are not of the form are left out: the file is ours, and one bad line must not silence a
/// network.
Names parse_names(std::string_view text);

/// Writes DIR/names. The resolver has no rights: the folder becomes searchable and the file readable for all, inside
/// RUN/networks, which lies below folders that are root's alone.
void write_names(const std::string& dir, const Names& names);

}  // namespace servin::dns
