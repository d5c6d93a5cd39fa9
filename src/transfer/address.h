// SPDX-License-Identifier: Apache-2.0
// How far an address reaches. A registry may send us to other hosts (redirects, token servers); it must not make us a
// messenger into networks that it cannot see itself: this machine, the local network, a cloud's metadata service.
#pragma once

#include <optional>
#include <string>

#include <sys/socket.h>

namespace servin::transfer {

enum class Reach {
  everywhere,    // public addresses
  private_net,   // RFC 1918, RFC 6598, fc00::/7
  this_machine,  // 127.0.0.0/8, ::1, 0.0.0.0
  link,          // 169.254.0.0/16, fe80::/10, multicast, reserved: nothing that a registry has to do with
};
const char* to_string(Reach reach);

Reach reach_of(const sockaddr& address);
/// Of a host that is written as an address ("10.0.0.1", "[::1]"), or is called localhost; nothing for other names.
std::optional<Reach> reach_of_host(std::string host);
/// May a registry at `registry` send us to `target`?
bool may_lead(Reach registry, Reach target);

/// Do two hosts belong to one owner, as far as their names tell: registry-1.docker.io and auth.docker.io?
bool same_site(const std::string& a, const std::string& b);

/// Does NO_PROXY ("localhost,.example.com,10.0.0.0/8,host:5000,*") name the host?
bool is_exempt(const std::string& host, const std::string& port, const std::string& no_proxy);

}  // namespace servin::transfer
