// SPDX-License-Identifier: Apache-2.0
#include "network/linux/foreign.h"

#include <algorithm>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "base/error.h"
#include "base/log.h"
#include "network/linux/nft.h"

namespace servin::network {
namespace {

bool is_of_iptables(const NftChain& c) {
  bool family = c.family == NFPROTO_IPV4 || c.family == NFPROTO_IPV6;
  return family && c.table == "filter" && (c.name == "FORWARD" || c.name == "INPUT");
}

/// As iptables-nft writes "-i NAME" and "-i PREFIX+", so that its listings can show the rule.
void match_link(NftTransaction& t, std::uint32_t key, const std::string& link) {
  t.meta(key, 0);
  if (link.ends_with('*')) {
    t.compare(true, 0, link.substr(0, link.size() - 1));
    return;
  }
  std::string name = link;
  name.resize(16, '\0');
  t.compare(true, 0, name);
}

void put_forward(NftTransaction& t, const NftChain& c, const std::string& mark, const std::string& link) {
  for (std::uint32_t key : {NFT_META_OIFNAME, NFT_META_IIFNAME}) {
    t.begin_rule(c.family, c.table, c.name, true, mark);
    match_link(t, key, link);
    t.verdict(NF_ACCEPT);
    t.end_rule();
  }
}

/// Name service on the gateway.
void put_input(NftTransaction& t, const NftChain& c, const std::string& mark, const std::string& link) {
  for (std::uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP}) {
    t.begin_rule(c.family, c.table, c.name, true, mark);
    match_link(t, NFT_META_IIFNAME, link);
    t.meta(NFT_META_L4PROTO, 0);
    t.compare(true, 0, std::string(1, static_cast<char>(protocol)));
    t.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
    t.compare(true, 0, std::string("\0\x35", 2));
    t.verdict(NF_ACCEPT);
    t.end_rule();
  }
}

std::string mark_of(const std::string& mark, const std::string& link) { return mark + " " + link; }

}  // namespace

void allow_in_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark,
                             const std::vector<std::string>& links) try {
  for (const auto& chain : list_chains(socket)) {
    if (!is_of_iptables(chain) || !chain.drops) continue;
    auto rules = list_rules(socket, chain);
    for (const auto& link : links) {
      std::string own = mark_of(mark, link);
      if (std::any_of(rules.begin(), rules.end(), [&](const NftRule& r) { return r.mark == own; })) continue;
      NftTransaction t;
      if (chain.name == "FORWARD")
        put_forward(t, chain, own, link);
      else
        put_input(t, chain, own, link);
      t.apply(socket, "let containers through " + chain.table + " " + chain.name);
    }
  }
} catch (const Error& e) {
  log::warn("firewall: {}", e.what());
}

void leave_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark) try {
  for (const auto& chain : list_chains(socket)) {
    if (!is_of_iptables(chain)) continue;
    for (const auto& rule : list_rules(socket, chain)) {
      if (!rule.mark.starts_with(mark + " ")) continue;
      NftTransaction t;
      t.delete_rule(chain.family, chain.table, chain.name, rule.handle);
      t.commit(socket);
    }
  }
} catch (const Error& e) {
  log::debug("firewall: {}", e.what());
}

}  // namespace servin::network
