// SPDX-License-Identifier: Apache-2.0
#include "network/linux/host_settings.h"

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "linux/net_namespace.h"
#include "os/file.h"

namespace servin::network {
namespace {

void keep_router_advertisements() {
  for (const auto& link : list_dir("/proc/sys/net/ipv6/conf")) {
    std::string setting = "ipv6/conf/" + link + "/accept_ra";
    // "all" and "default" would change links that come later, ours among them.
    if (link == "all" || link == "default" || link == "lo" || kernel::read_net_sysctl(setting) != "1") continue;
    kernel::write_net_sysctl(setting, "2");
  }
}

void enable(const char* setting) {
  if (kernel::read_net_sysctl(setting) == "1") return;
  try {
    kernel::write_net_sysctl(setting, "1");
  } catch (Error& e) {
    throw e.with_hint("networks of containers need the host to forward: sysctl net.ipv4.ip_forward=1");
  }
}

/// Entries are made when they are needed and take half a KiB each.
constexpr std::uint64_t neighbours = 65536;

void raise(const std::string& setting, std::uint64_t least) {
  auto now = parse_u64(kernel::read_net_sysctl(setting));
  if (!now || *now >= least) return;  // the kernel shows it to its first network namespace only
  try {
    kernel::write_net_sysctl(setting, std::to_string(least));
  } catch (const Error& e) {
    log::debug("{}", e.what());  // few containers do without
  }
}

}  // namespace

void make_room_for_neighbours(bool v4, bool v6) {
  for (const char* family : {"ipv4", "ipv6"}) {
    if (family == std::string_view("ipv4") ? !v4 : !v6) continue;
    std::string place = std::string(family) + "/neigh/default/gc_thresh";
    raise(place + "3", neighbours);
    raise(place + "2", neighbours / 2);
  }
}

void enable_forwarding(bool v4, bool v6) {
  if (v4) enable("ipv4/ip_forward");
  if (!v6 || kernel::read_net_sysctl("ipv6/conf/all/forwarding") == "1") return;
  keep_router_advertisements();
  enable("ipv6/conf/all/forwarding");
}

}  // namespace servin::network
