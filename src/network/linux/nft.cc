// SPDX-License-Identifier: Apache-2.0
#include "network/linux/nft.h"

#include <cstring>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/error.h"

namespace servin::network {
namespace {

constexpr std::uint16_t message_type(int m) { return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | m); }

nfgenmsg header_of(std::uint8_t family, std::uint16_t resource = 0) {
  nfgenmsg h{};
  h.nfgen_family = family;
  h.version = NFNETLINK_V0;
  h.res_id = htons(resource);
  return h;
}

constexpr std::uint32_t wire_register(unsigned reg) { return NFT_REG32_00 + reg; }

template <typename T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string be64(std::uint64_t value) {
  std::string out;
  for (unsigned i = 8; i-- > 0;) out += static_cast<char>(value >> (i * 8) & 0xffU);
  return out;
}

std::uint64_t from_be64(std::string_view bytes) {
  std::uint64_t value = 0;
  for (char c : bytes) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

// As nft(8) keeps a comment, so that listings show it: type 0, length, text with its zero.
constexpr std::size_t comment_header = 2;

std::string comment_of(std::string_view text) {
  std::string out = {'\0', static_cast<char>(text.size() + 1)};
  return out.append(text) + '\0';
}

std::string_view text_of_comment(std::string_view data) {
  if (data.size() < comment_header + 1 || data[0] != '\0') return {};
  data = data.substr(comment_header, static_cast<unsigned char>(data[1]));
  return data.substr(0, data.find('\0'));
}

kernel::NetlinkAttributes attributes_of(std::string_view body) {
  return kernel::NetlinkAttributes(body.size() < sizeof(nfgenmsg) ? std::string_view{} : body.substr(sizeof(nfgenmsg)));
}

}  // namespace

NftTransaction::NftTransaction() {
  batch_.begin(NFNL_MSG_BATCH_BEGIN, 0, header_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), "begin");
}

void NftTransaction::add_table(const std::string& table, bool exclusive) {
  auto flags = static_cast<std::uint16_t>(NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0));
  batch_.begin(message_type(NFT_MSG_NEWTABLE), flags, header_of(NFPROTO_INET), "table " + table);
  batch_.put_string(NFTA_TABLE_NAME, table);
}

void NftTransaction::delete_table(const std::string& table) {
  batch_.begin(message_type(NFT_MSG_DELTABLE), 0, header_of(NFPROTO_INET), "remove table " + table);
  batch_.put_string(NFTA_TABLE_NAME, table);
}

void NftTransaction::add_chain(const std::string& table, const std::string& chain, const Hook* hook) {
  batch_.begin(message_type(NFT_MSG_NEWCHAIN), NLM_F_CREATE, header_of(NFPROTO_INET), "chain " + chain);
  batch_.put_string(NFTA_CHAIN_TABLE, table);
  batch_.put_string(NFTA_CHAIN_NAME, chain);
  if (hook == nullptr) return;
  batch_.begin_nested(NFTA_CHAIN_HOOK);
  batch_.put_be32(NFTA_HOOK_HOOKNUM, hook->hook);
  batch_.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(hook->priority));
  batch_.end_nested();
  batch_.put_string(NFTA_CHAIN_TYPE, hook->type);
  batch_.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
}

void NftTransaction::add_set(const std::string& table, const Set& set) {
  bool map = set.data_length != 0;
  batch_.begin(message_type(NFT_MSG_NEWSET), NLM_F_CREATE, header_of(NFPROTO_INET), "set " + set.name);
  batch_.put_string(NFTA_SET_TABLE, table);
  batch_.put_string(NFTA_SET_NAME, set.name);
  constexpr std::uint32_t ranges = NFT_SET_INTERVAL | NFT_SET_CONCAT;
  batch_.put_be32(NFTA_SET_FLAGS, (map ? std::uint32_t{NFT_SET_MAP} : 0U) | (set.fields.empty() ? 0U : ranges));
  batch_.put_be32(NFTA_SET_KEY_TYPE, set.key_type);
  batch_.put_be32(NFTA_SET_KEY_LEN, set.key_length);
  if (map) {
    batch_.put_be32(NFTA_SET_DATA_TYPE, set.data_type);
    batch_.put_be32(NFTA_SET_DATA_LEN, set.data_length);
  }
  batch_.put_be32(NFTA_SET_ID, 1);
  if (set.fields.empty()) return;
  batch_.begin_nested(NFTA_SET_DESC);
  batch_.begin_nested(NFTA_SET_DESC_CONCAT);
  for (std::uint32_t length : set.fields) {
    batch_.begin_nested(NFTA_LIST_ELEM);
    batch_.put_be32(NFTA_SET_FIELD_LEN, length);
    batch_.end_nested();
  }
  batch_.end_nested();
  batch_.end_nested();
}

void NftTransaction::put_data(std::uint16_t type, std::string_view bytes) {
  batch_.begin_nested(type);
  batch_.put(NFTA_DATA_VALUE, bytes);
  batch_.end_nested();
}

void NftTransaction::put_elements(std::uint16_t type, std::uint16_t flags, const std::string& table,
                                  std::string_view set, const std::vector<Element>& elements, bool values) {
  constexpr std::size_t chunk = 400;  // an attribute has 64 KiB
  for (std::size_t at = 0; at < elements.size(); at += chunk) {
    batch_.begin(type, flags, header_of(NFPROTO_INET), "elements of " + std::string(set));
    batch_.put_string(NFTA_SET_ELEM_LIST_TABLE, table);
    batch_.put_string(NFTA_SET_ELEM_LIST_SET, set);
    batch_.begin_nested(NFTA_SET_ELEM_LIST_ELEMENTS);
    for (std::size_t i = at; i < elements.size() && i < at + chunk; ++i) {
      batch_.begin_nested(NFTA_LIST_ELEM);
      put_data(NFTA_SET_ELEM_KEY, elements[i].key);
      if (!elements[i].last.empty()) put_data(NFTA_SET_ELEM_KEY_END, elements[i].last);
      if (values && !elements[i].value.empty()) put_data(NFTA_SET_ELEM_DATA, elements[i].value);
      batch_.end_nested();
    }
    batch_.end_nested();
  }
}

void NftTransaction::add_elements(const std::string& table, std::string_view set,
                                  const std::vector<Element>& elements) {
  put_elements(message_type(NFT_MSG_NEWSETELEM), NLM_F_CREATE, table, set, elements, true);
}

void NftTransaction::delete_elements(const std::string& table, std::string_view set,
                                     const std::vector<Element>& elements) {
  put_elements(message_type(NFT_MSG_DELSETELEM), 0, table, set, elements, false);
}

void NftTransaction::begin_rule(std::uint8_t family, const std::string& table, const std::string& chain, bool first,
                                std::string_view mark) {
  auto flags = static_cast<std::uint16_t>(NLM_F_CREATE | (first ? 0 : NLM_F_APPEND));
  batch_.begin(message_type(NFT_MSG_NEWRULE), flags, header_of(family), "rule of " + chain);
  batch_.put_string(NFTA_RULE_TABLE, table);
  batch_.put_string(NFTA_RULE_CHAIN, chain);
  if (!mark.empty()) batch_.put(NFTA_RULE_USERDATA, comment_of(mark));
  batch_.begin_nested(NFTA_RULE_EXPRESSIONS);
}

void NftTransaction::end_rule() { batch_.end_nested(); }

void NftTransaction::delete_rule(std::uint8_t family, const std::string& table, const std::string& chain,
                                 std::uint64_t handle) {
  batch_.begin(message_type(NFT_MSG_DELRULE), 0, header_of(family), "rule of " + chain);
  batch_.put_string(NFTA_RULE_TABLE, table);
  batch_.put_string(NFTA_RULE_CHAIN, chain);
  batch_.put(NFTA_RULE_HANDLE, be64(handle));
}

void NftTransaction::begin_expression(const char* name) {
  batch_.begin_nested(NFTA_LIST_ELEM);
  batch_.put_string(NFTA_EXPR_NAME, name);
  batch_.begin_nested(NFTA_EXPR_DATA);
}

void NftTransaction::end_expression() {
  batch_.end_nested();
  batch_.end_nested();
}

void NftTransaction::meta(std::uint32_t key, unsigned reg) {
  begin_expression("meta");
  batch_.put_be32(NFTA_META_KEY, key);
  batch_.put_be32(NFTA_META_DREG, wire_register(reg));
  end_expression();
}

void NftTransaction::payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, unsigned reg) {
  begin_expression("payload");
  batch_.put_be32(NFTA_PAYLOAD_DREG, wire_register(reg));
  batch_.put_be32(NFTA_PAYLOAD_BASE, base);
  batch_.put_be32(NFTA_PAYLOAD_OFFSET, offset);
  batch_.put_be32(NFTA_PAYLOAD_LEN, length);
  end_expression();
}

void NftTransaction::ct(std::uint32_t key, unsigned reg) {
  begin_expression("ct");
  batch_.put_be32(NFTA_CT_KEY, key);
  batch_.put_be32(NFTA_CT_DREG, wire_register(reg));
  end_expression();
}

void NftTransaction::fib_type(unsigned reg) {
  begin_expression("fib");
  batch_.put_be32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  batch_.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  batch_.put_be32(NFTA_FIB_DREG, wire_register(reg));
  end_expression();
}

void NftTransaction::compare(bool equal, unsigned reg, std::string_view bytes) {
  begin_expression("cmp");
  batch_.put_be32(NFTA_CMP_SREG, wire_register(reg));
  batch_.put_be32(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  put_data(NFTA_CMP_DATA, bytes);
  end_expression();
}

void NftTransaction::mask_bytes(unsigned reg, std::string_view mask) {
  begin_expression("bitwise");
  batch_.put_be32(NFTA_BITWISE_SREG, wire_register(reg));
  batch_.put_be32(NFTA_BITWISE_DREG, wire_register(reg));
  batch_.put_be32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
  put_data(NFTA_BITWISE_MASK, mask);
  put_data(NFTA_BITWISE_XOR, std::string(mask.size(), '\0'));
  end_expression();
}

void NftTransaction::any_bit(unsigned reg, std::uint32_t mask) {
  mask_bytes(reg, bytes_of(mask));
  compare(false, reg, std::string(4, '\0'));
}

void NftTransaction::in_set(std::string_view set, unsigned reg, bool inverted) {
  begin_expression("lookup");
  batch_.put_string(NFTA_LOOKUP_SET, set);
  batch_.put_be32(NFTA_LOOKUP_SREG, wire_register(reg));
  if (inverted) batch_.put_be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  end_expression();
}

void NftTransaction::from_map(std::string_view map, unsigned reg, unsigned to) {
  begin_expression("lookup");
  batch_.put_string(NFTA_LOOKUP_SET, map);
  batch_.put_be32(NFTA_LOOKUP_SREG, wire_register(reg));
  batch_.put_be32(NFTA_LOOKUP_DREG, wire_register(to));
  end_expression();
}

void NftTransaction::verdict(std::int32_t code, const std::string& chain) {
  begin_expression("immediate");
  batch_.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  batch_.begin_nested(NFTA_IMMEDIATE_DATA);
  batch_.begin_nested(NFTA_DATA_VERDICT);
  batch_.put_be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
  if (!chain.empty()) batch_.put_string(NFTA_VERDICT_CHAIN, chain);
  batch_.end_nested();
  batch_.end_nested();
  end_expression();
}

void NftTransaction::dnat(std::uint8_t family, unsigned address, unsigned port) {
  begin_expression("nat");
  batch_.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
  batch_.put_be32(NFTA_NAT_FAMILY, family);
  batch_.put_be32(NFTA_NAT_REG_ADDR_MIN, wire_register(address));
  batch_.put_be32(NFTA_NAT_REG_PROTO_MIN, wire_register(port));
  end_expression();
}

void NftTransaction::masquerade() {
  begin_expression("masq");
  end_expression();
}

int NftTransaction::commit(kernel::NetlinkSocket& socket) {
  batch_.begin(NFNL_MSG_BATCH_END, 0, header_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), "end");
  auto failures = socket.send(batch_);
  return failures.empty() ? 0 : failures.front().error;
}

void NftTransaction::apply(kernel::NetlinkSocket& socket, std::string_view what) {
  batch_.begin(NFNL_MSG_BATCH_END, 0, header_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), "end");
  auto failures = socket.send(batch_);
  if (failures.empty()) return;
  throw errno_error(failures[0].error, fmt::format("{}: {}", what, failures[0].name));
}

std::vector<NftChain> list_chains(kernel::NetlinkSocket& socket) {
  std::vector<NftChain> chains;
  kernel::NetlinkBatch request;
  request.begin(message_type(NFT_MSG_GETCHAIN), 0, header_of(NFPROTO_UNSPEC), "list chains");
  auto visit = [&](std::uint16_t type, std::string_view body) {
    if (type != message_type(NFT_MSG_NEWCHAIN)) return;
    auto a = attributes_of(body);
    NftChain c;
    c.family = static_cast<std::uint8_t>(body[0]);
    c.table = a.text(NFTA_CHAIN_TABLE);
    c.name = a.text(NFTA_CHAIN_NAME);
    c.filters = a.find(NFTA_CHAIN_HOOK).has_value() && a.text(NFTA_CHAIN_TYPE) == "filter";
    c.hook = a.nested(NFTA_CHAIN_HOOK).be32(NFTA_HOOK_HOOKNUM);
    c.drops = c.filters && a.be32(NFTA_CHAIN_POLICY, NF_ACCEPT) == NF_DROP;
    chains.push_back(std::move(c));
  };
  socket.dump(request, visit, [&] { chains.clear(); });
  return chains;
}

namespace {

/// "drop", "reject", and either behind "counter" or "log": no condition before it.
bool drops_all(const kernel::NetlinkAttributes& expressions) {
  bool conditional = false, drops = false;
  expressions.each([&](std::uint16_t, std::string_view bytes) {
    kernel::NetlinkAttributes e(bytes);
    std::string name = e.text(NFTA_EXPR_NAME);
    auto data = e.nested(NFTA_EXPR_DATA);
    if (name == "immediate") {
      auto verdict = data.nested(NFTA_IMMEDIATE_DATA).nested(NFTA_DATA_VERDICT);
      drops = drops || (verdict.find(NFTA_VERDICT_CODE) && verdict.be32(NFTA_VERDICT_CODE) == NF_DROP);
    } else if (name == "reject" || (name == "target" && data.text(NFTA_TARGET_NAME) == "REJECT")) {
      drops = true;
    } else if (name != "counter" && name != "log") {
      conditional = true;
    }
  });
  return drops && !conditional;
}

}  // namespace

std::vector<NftRule> list_rules(kernel::NetlinkSocket& socket, const NftChain& chain) {
  std::vector<NftRule> rules;
  kernel::NetlinkBatch request;
  request.begin(message_type(NFT_MSG_GETRULE), 0, header_of(chain.family), "list rules of " + chain.name);
  request.put_string(NFTA_RULE_TABLE, chain.table);
  request.put_string(NFTA_RULE_CHAIN, chain.name);
  auto visit = [&](std::uint16_t type, std::string_view body) {
    if (type != message_type(NFT_MSG_NEWRULE)) return;
    auto a = attributes_of(body);
    rules.push_back({from_be64(a.find(NFTA_RULE_HANDLE).value_or("")),
                     std::string(text_of_comment(a.find(NFTA_RULE_USERDATA).value_or(""))),
                     drops_all(a.nested(NFTA_RULE_EXPRESSIONS))});
  };
  socket.dump(request, visit, [&] { rules.clear(); });
  return rules;
}

bool is_named_in_table(kernel::NetlinkSocket& socket, const NftChain& chain, std::string_view name) {
  bool found = false;
  kernel::NetlinkBatch request;
  request.begin(message_type(NFT_MSG_GETRULE), 0, header_of(chain.family), "list rules of " + chain.table);
  request.put_string(NFTA_RULE_TABLE, chain.table);
  socket.dump(request, [&](std::uint16_t, std::string_view body) { found = found || body.contains(name); });
  return found;
}

}  // namespace servin::network
