// SPDX-License-Identifier: Apache-2.0
// nftables by nfnetlink: one transaction, and the few expressions that our rules consist of.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "linux/netlink_socket.h"

namespace servin::network {

/// All of it happens, or nothing does.
class NftTransaction {
 public:
  NftTransaction();
  void add_table(const std::string& table, bool exclusive);
  void delete_table(const std::string& table);
  struct Hook {
    const char* type = "filter";  // or "nat"
    std::uint32_t hook = 0;       // NF_INET_...
    std::int32_t priority = 0;
  };
  void add_chain(const std::string& table, const std::string& chain, const Hook* hook);
  struct Set {
    std::string name;
    std::uint32_t key_type = 0, key_length = 0;    // types as nft(8) numbers them, for its listings
    std::uint32_t data_type = 0, data_length = 0;  // a map
    std::vector<std::uint32_t> fields = {};        // lengths of a key's parts: its elements are ranges
  };
  void add_set(const std::string& table, const Set& set);
  struct Element {
    std::string_view key, value, last = {};  // last: the key is the lower end
  };
  void add_elements(const std::string& table, std::string_view set, const std::vector<Element>& elements);
  void delete_elements(const std::string& table, std::string_view set, const std::vector<Element>& elements);

  /// Between these two: the rule's expressions. `mark` is the rule's comment (foreign tables). `first`: in front of the
  /// rules that are there.
  void begin_rule(std::uint8_t family, const std::string& table, const std::string& chain, bool first = false,
                  std::string_view mark = "");
  void end_rule();
  void delete_rule(std::uint8_t family, const std::string& table, const std::string& chain, std::uint64_t handle);

  // Expressions. Registers are 4 bytes wide; `reg` counts them.
  void meta(std::uint32_t key, unsigned reg);
  void payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length, unsigned reg);
  void ct(std::uint32_t key, unsigned reg);
  void fib_type(unsigned reg);  // of the destination
  void compare(bool equal, unsigned reg, std::string_view bytes);
  void any_bit(unsigned reg, std::uint32_t mask);  // goes on when one of them is set
  void mask_bytes(unsigned reg, std::string_view mask);
  void in_set(std::string_view set, unsigned reg, bool inverted = false);
  void from_map(std::string_view map, unsigned reg, unsigned to);
  void verdict(std::int32_t code, const std::string& chain = "");
  void dnat(std::uint8_t family, unsigned address, unsigned port);
  void masquerade();

  /// Returns 0, or the errno of the first refusal: then nothing was changed.
  int commit(kernel::NetlinkSocket& socket);
  /// As an Error.
  void apply(kernel::NetlinkSocket& socket, std::string_view what);

 private:
  void begin_expression(const char* name);
  void end_expression();
  void put_data(std::uint16_t type, std::string_view bytes);
  void put_elements(std::uint16_t type, std::uint16_t flags, const std::string& table, std::string_view set,
                    const std::vector<Element>& elements, bool values);
  kernel::NetlinkBatch batch_;
};

struct NftChain {
  std::uint8_t family = 0;
  std::string table, name;
  std::uint32_t hook = 0;
  bool filters = false;  // a base chain of type filter
  bool drops = false;    // by policy
};
std::vector<NftChain> list_chains(kernel::NetlinkSocket& socket);
struct NftRule {
  std::uint64_t handle = 0;
  std::string mark;
  bool drops = false;  // or rejects, whatever comes
};
std::vector<NftRule> list_rules(kernel::NetlinkSocket& socket, const NftChain& chain);
/// Whether any rule of the chain's table has these bytes in it: the name of a link, or what it begins with.
bool is_named_in_table(kernel::NetlinkSocket& socket, const NftChain& chain, std::string_view name);

}  // namespace servin::network
