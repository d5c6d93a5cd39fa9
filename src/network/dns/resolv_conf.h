// SPDX-License-Identifier: Apache-2.0
// resolv.conf(5) as data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace servin::dns {

struct ResolvConf {
  std::vector<std::string> servers;  // as written; only those that are addresses
  std::vector<std::string> search;
  std::vector<std::string> options;
};

/// As glibc reads it: the last of search and domain counts, options add up, what is not understood is passed over.
ResolvConf parse_resolv_conf(std::string_view text);
std::string format_resolv_conf(const ResolvConf& conf);

/// 127.0.0.0/8 or ::1: reachable from the host only, not from another network namespace.
bool is_loopback_server(std::string_view server);
/// All of them are systemd-resolved's stub (127.0.0.53, 127.0.0.54): its real servers stand in another file.
bool is_resolved_stub(const ResolvConf& conf);
constexpr const char* resolved_file = "/run/systemd/resolve/resolv.conf";

}  // namespace servin::dns
