// SPDX-License-Identifier: Apache-2.0
#include "network/linux/foreign.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "network/linux/nft.h"

namespace servin::network {
namespace {

std::string_view family_name(std::uint8_t family) {
  return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : "inet";
}

bool is_foreign(const NftChain& c) {
  bool family = c.family == NFPROTO_IPV4 || c.family == NFPROTO_IPV6 || c.family == NFPROTO_INET;
  bool hook = c.hook == NF_INET_FORWARD || c.hook == NF_INET_LOCAL_IN;
  return family && hook && c.filters && !c.table.starts_with("servin-");
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
  for (int protocol : {int{IPPROTO_UDP}, int{IPPROTO_TCP}}) {
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

/// Nothing of ours is needed, or it is there already.
std::vector<std::string> missing_links(kernel::NetlinkSocket& socket, const NftChain& chain, const std::string& mark,
                                       const std::vector<std::string>& links) {
  auto rules = list_rules(socket, chain);
  auto any = [&](auto&& is) { return std::any_of(rules.begin(), rules.end(), is); };
  if (!chain.drops && !any([](const NftRule& r) { return r.drops; })) return {};
  auto missing = links;
  std::erase_if(missing, [&](const std::string& link) {
    return any([&](const NftRule& r) { return r.mark == mark_of(mark, link); });
  });
  return missing;
}

void allow_in(kernel::NetlinkSocket& socket, const NftChain& chain, const std::string& mark,
              const std::vector<std::string>& links) {
  auto missing = missing_links(socket, chain, mark, links);
  if (missing.empty()) return;
  bool forward = chain.hook == NF_INET_FORWARD;
  NftTransaction t;
  for (const auto& link : missing) (forward ? put_forward : put_input)(t, chain, mark_of(mark, link), link);
  int failure = t.commit(socket);
  if (failure == 0 || failure == ENOENT) return;  // its owner has just removed it
  // Its owner may have been told of our bridges.
  std::erase_if(missing, [&](std::string link) {
    if (link.ends_with('*')) link.pop_back();
    return is_named_in_table(socket, chain, link);
  });
  if (missing.empty()) return;
  // firewalld owns its table by the kernel's own means. Nothing else would tell why a container hears nothing.
  log::warn(
      "the firewall's chain {} {} {} drops {}, and takes no rule of ours ({}): let {} through in its configuration",
      family_name(chain.family), chain.table, chain.name,
      forward ? "what containers send and get" : "what containers ask their name server",
      std::generic_category().message(failure), join(missing, " and "));
}

}  // namespace

void allow_in_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark,
                             const std::vector<std::string>& links) try {
  for (const auto& chain : list_chains(socket))
    if (is_foreign(chain)) allow_in(socket, chain, mark, links);
} catch (const Error& e) {
  log::warn("firewall: {}", e.what());
}

void leave_foreign_tables(kernel::NetlinkSocket& socket, const std::string& mark) try {
  for (const auto& chain : list_chains(socket)) {
    if (!is_foreign(chain)) continue;
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
