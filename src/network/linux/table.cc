// SPDX-License-Identifier: Apache-2.0
#include "network/linux/table.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include "base/error.h"

namespace servin::network {
namespace {

// As nft(8) numbers its types.
constexpr std::uint32_t ipv4_type = 7, ipv6_type = 8, protocol_type = 12, port_type = 13, interface_type = 41;
constexpr std::uint32_t concat(std::uint32_t a, std::uint32_t b) { return a << 6U | b; }
constexpr std::uint32_t interface_size = 16, address4 = 4, address6 = 16, number = 4;

constexpr std::uint32_t established = 2, related = 4;  // bits of ct state
constexpr std::uint32_t local_address = 2;             // RTN_LOCAL
constexpr const char* ports_chain = "ports";

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// One rule: conditions, then what happens. Registers are reused from rule to rule.
class Rule {
 public:
  Rule(NftTransaction& t, const std::string& table, const char* chain) : t_(t) {
    t_.begin_rule(NFPROTO_INET, table, chain);
  }
  Rule& v4() { return nfproto(NFPROTO_IPV4); }
  Rule& v6() { return nfproto(NFPROTO_IPV6); }
  Rule& in(TableSet set, bool inverted = false) { return link(NFT_META_IIFNAME, set, inverted); }
  Rule& out(TableSet set, bool inverted = false) { return link(NFT_META_OIFNAME, set, inverted); }
  Rule& in_to_out(TableSet set) {
    t_.meta(NFT_META_IIFNAME, 0);
    t_.meta(NFT_META_OIFNAME, 4);
    t_.in_set(set_name(set), 0);
    return *this;
  }
  /// By the source's address: frames that a bridge hands on (br_netfilter) have no interface where they come from.
  Rule& back_to_own(TableSet set, bool v6_address) {
    t_.meta(NFT_META_OIFNAME, 0);
    t_.payload(NFT_PAYLOAD_NETWORK_HEADER, v6_address ? 8 : 12, v6_address ? 16 : 4, 4);
    t_.in_set(set_name(set), 0);
    return *this;
  }
  Rule& not_from_loopback() {
    t_.meta(NFT_META_IIFNAME, 0);
    t_.compare(false, 0, std::string("lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0", interface_size));
    return *this;
  }
  Rule& loopback_address(bool source) {  // IPv4
    t_.payload(NFT_PAYLOAD_NETWORK_HEADER, source ? 12 : 16, 4, 0);
    t_.mask_bytes(0, std::string("\xff\0\0\0", 4));
    t_.compare(true, 0, std::string("\x7f\0\0\0", 4));
    return *this;
  }
  Rule& to_loopback6() {
    t_.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16, 0);
    t_.compare(true, 0, std::string(15, '\0') + '\1');
    return *this;
  }
  Rule& to_this_host() {
    t_.fib_type(0);
    t_.compare(true, 0, bytes_of(local_address));
    return *this;
  }
  Rule& state(std::uint32_t bits) {
    t_.ct(NFT_CT_STATE, 0);
    t_.any_bit(0, bits);
    return *this;
  }
  Rule& published() {
    t_.ct(NFT_CT_STATUS, 0);
    t_.any_bit(0, IPS_DST_NAT);
    return *this;
  }
  Rule& protocol(int p) {
    t_.meta(NFT_META_L4PROTO, 0);
    t_.compare(true, 0, std::string(1, static_cast<char>(p)));
    return *this;
  }
  Rule& to_port(std::uint16_t port) {
    t_.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 0);
    t_.compare(true, 0, bytes_of(htons(port)));
    return *this;
  }
  /// [address .] protocol . port of the packet, looked up; goes on with the container's.
  void to_container(TableSet map, bool v6_address, bool with_address) {
    unsigned words = v6_address ? 4 : 1, at = with_address ? words : 0;
    if (with_address) t_.payload(NFT_PAYLOAD_NETWORK_HEADER, v6_address ? 24 : 16, words * 4, 0);
    t_.meta(NFT_META_L4PROTO, at);
    t_.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, at + 1);
    t_.from_map(set_name(map), 0, 8);
    t_.dnat(v6_address ? NFPROTO_IPV6 : NFPROTO_IPV4, 8, 8 + words);
    t_.end_rule();
  }
  void accept() { end(NF_ACCEPT); }
  void drop() { end(NF_DROP); }
  void leave() { end(NFT_RETURN); }
  void jump(const std::string& chain) {
    t_.verdict(NFT_JUMP, chain);
    t_.end_rule();
  }
  void masquerade() {
    t_.masquerade();
    t_.end_rule();
  }

 private:
  Rule& nfproto(std::uint8_t family) {
    t_.meta(NFT_META_NFPROTO, 0);
    t_.compare(true, 0, std::string(1, static_cast<char>(family)));
    return *this;
  }
  Rule& link(std::uint32_t key, TableSet set, bool inverted) {
    t_.meta(key, 0);
    t_.in_set(set_name(set), 0, inverted);
    return *this;
  }
  void end(std::int32_t code) {
    t_.verdict(code);
    t_.end_rule();
  }
  NftTransaction& t_;
};

constexpr TableSet all_sets[] = {TableSet::bridges, TableSet::internal, TableSet::masked, TableSet::same,
                                 TableSet::own4,    TableSet::own6,     TableSet::at4,    TableSet::any4,
                                 TableSet::at6,     TableSet::any6};

std::vector<NftTransaction::Element> of_set(const std::vector<TableElement>& elements, TableSet set) {
  std::vector<NftTransaction::Element> found;
  for (const auto& e : elements)
    if (e.set == set) found.push_back({e.key, e.value, e.last});
  return found;
}

}  // namespace

Table::Table(const std::string& tag) : name_("servin-" + tag), socket_(NETLINK_NETFILTER) {}

void Table::put_sets(NftTransaction& t) const {
  const std::uint32_t port_key = concat(protocol_type, port_type);
  auto links = [&](TableSet set) {
    t.add_set(name_, {std::string(set_name(set)), interface_type, interface_size, 0, 0});
  };
  auto ports = [&](TableSet set, std::uint32_t type, std::uint32_t size, bool with_address) {
    std::uint32_t key = with_address ? type << 12U | port_key : port_key;
    t.add_set(name_, {std::string(set_name(set)), key, 2 * number + (with_address ? size : 0), concat(type, port_type),
                      size + number});
  };
  links(TableSet::bridges);
  links(TableSet::internal);
  links(TableSet::masked);
  t.add_set(name_,
            {std::string(set_name(TableSet::same)), concat(interface_type, interface_type), 2 * interface_size, 0, 0});
  auto own = [&](TableSet set, std::uint32_t type, std::uint32_t size) {
    t.add_set(name_, {std::string(set_name(set)),
                      concat(interface_type, type),
                      interface_size + size,
                      0,
                      0,
                      {interface_size, size}});
  };
  own(TableSet::own4, ipv4_type, address4);
  own(TableSet::own6, ipv6_type, address6);
  ports(TableSet::at4, ipv4_type, address4, true);
  ports(TableSet::any4, ipv4_type, address4, false);
  ports(TableSet::at6, ipv6_type, address6, true);
  ports(TableSet::any6, ipv6_type, address6, false);
}

void Table::put_rules(NftTransaction& t) const {
  auto rule = [&](const char* chain) { return Rule(t, name_, chain); };
  auto base = [&](const char* chain, const char* type, std::uint32_t hook, std::int32_t priority) {
    NftTransaction::Hook h{type, hook, priority};
    t.add_chain(name_, chain, &h);
  };
  base("from_outside", "filter", NF_INET_PRE_ROUTING, -300);
  base("dstnat", "nat", NF_INET_PRE_ROUTING, -100);
  base("output", "nat", NF_INET_LOCAL_OUT, -100);
  base("srcnat", "nat", NF_INET_POST_ROUTING, 100);
  base("forward", "filter", NF_INET_FORWARD, 0);
  base("input", "filter", NF_INET_LOCAL_IN, 0);
  t.add_chain(name_, ports_chain, nullptr);

  rule("from_outside").not_from_loopback().v4().loopback_address(false).drop();

  rule(ports_chain).v4().to_container(TableSet::at4, false, true);
  rule(ports_chain).v4().to_container(TableSet::any4, false, false);
  rule(ports_chain).v6().to_container(TableSet::at6, true, true);
  rule(ports_chain).v6().to_container(TableSet::any6, true, false);
  rule("dstnat").to_this_host().jump(ports_chain);
  // The kernel lets nothing with the source ::1 leave loopback: the socket that holds the port takes it.
  rule("output").v6().to_loopback6().leave();
  rule("output").to_this_host().jump(ports_chain);

  rule("srcnat").v4().published().back_to_own(TableSet::own4, false).masquerade();
  rule("srcnat").v6().published().back_to_own(TableSet::own6, true).masquerade();
  rule("srcnat").out(TableSet::bridges).v4().loopback_address(true).masquerade();
  rule("srcnat").out(TableSet::bridges).leave();
  rule("srcnat").in(TableSet::masked).masquerade();

  rule("forward").in(TableSet::bridges, true).out(TableSet::bridges, true).accept();
  rule("forward").state(established | related).accept();
  rule("forward").in_to_out(TableSet::same).accept();
  rule("forward").in(TableSet::internal).drop();
  rule("forward").out(TableSet::internal).drop();
  rule("forward").out(TableSet::bridges).published().accept();
  rule("forward").out(TableSet::bridges).drop();

  rule("input").in(TableSet::internal, true).accept();
  rule("input").state(established | related).accept();
  for (int p : {int{IPPROTO_ICMP}, int{IPPROTO_ICMPV6}}) rule("input").protocol(p).accept();
  for (int p : {int{IPPROTO_UDP}, int{IPPROTO_TCP}}) rule("input").protocol(p).to_port(53).accept();
  rule("input").drop();
}

void Table::put_elements(NftTransaction& t, const std::vector<TableElement>& elements, bool remove) const {
  for (TableSet set : all_sets) {
    auto some = of_set(elements, set);
    if (some.empty()) continue;
    if (remove)
      t.delete_elements(name_, set_name(set), some);
    else
      t.add_elements(name_, set_name(set), some);
  }
}

bool Table::holds(const TableElement& element) {
  kernel::NetlinkBatch request;
  nfgenmsg header{};
  header.nfgen_family = NFPROTO_INET;
  request.begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, header, "look into " + name_);
  request.put_string(NFTA_SET_ELEM_LIST_TABLE, name_);
  request.put_string(NFTA_SET_ELEM_LIST_SET, set_name(element.set));
  bool found = false;
  socket_.dump(request, [&](std::uint16_t, std::string_view body) {
    if (body.size() < sizeof header) return;
    kernel::NetlinkAttributes(body.substr(sizeof header))
        .nested(NFTA_SET_ELEM_LIST_ELEMENTS)
        .each([&](std::uint16_t, std::string_view bytes) {
          kernel::NetlinkAttributes e(bytes);
          auto key = e.nested(NFTA_SET_ELEM_KEY).find(NFTA_DATA_VALUE).value_or("");
          auto value = e.nested(NFTA_SET_ELEM_DATA).find(NFTA_DATA_VALUE).value_or("");
          found = found || (key == element.key && value == element.value);
        });
  });
  return found;
}

bool Table::add(const std::vector<TableElement>& elements) {
  if (elements.empty()) return true;
  NftTransaction t;
  put_elements(t, elements, false);
  int failure = t.commit(socket_);
  if (failure == 0) return true;
  if (failure == ENOENT) return false;
  if (failure != EBUSY && failure != EEXIST) throw errno_error(failure, "add to nftables table " + name_);
  // Somebody else's port, who does not hold it any more. In one transaction, so that there is no moment without.
  for (const auto& e : elements) {
    NftTransaction one;
    put_elements(one, {e}, false);
    if (failure = one.commit(socket_); failure == 0) continue;
    NftTransaction replacement;
    put_elements(replacement, {e}, true);
    put_elements(replacement, {e}, false);
    replacement.apply(socket_, "change nftables table " + name_);
  }
  return true;
}

void Table::remove(const std::vector<TableElement>& elements) {
  if (elements.empty()) return;
  std::vector<TableElement> mine;
  try {
    for (const auto& e : elements)
      if (e.value.empty() || holds(e)) mine.push_back(e);
  } catch (const Error& e) {
    if (e.sys_errno() == ENOENT) return;
    throw;
  }
  NftTransaction t;
  put_elements(t, mine, true);
  if (mine.empty() || t.commit(socket_) != ENOENT) return;
  for (const auto& e : mine) {
    NftTransaction one;
    put_elements(one, {e}, true);
    one.commit(socket_);
  }
}

void Table::rebuild(const std::vector<TableElement>& elements) {
  NftTransaction t;
  // Made first, so that there is something to delete.
  t.add_table(name_, false);
  t.delete_table(name_);
  t.add_table(name_, false);
  put_sets(t);
  put_rules(t);
  put_elements(t, elements, false);
  try {
    t.apply(socket_, "nftables table " + name_);
  } catch (Error& e) {
    if (e.sys_errno() == EOPNOTSUPP || e.sys_errno() == EPROTONOSUPPORT)
      e.with_hint("the kernel needs nf_tables with nat, masq, fib and ct; or use --network host or none");
    throw;
  }
}

void Table::drop() {
  NftTransaction t;
  t.delete_table(name_);
  int failure = t.commit(socket_);
  if (failure != 0 && failure != ENOENT) throw errno_error(failure, "remove nftables table " + name_);
}

}  // namespace servin::network
