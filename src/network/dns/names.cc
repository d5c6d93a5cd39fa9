// SPDX-License-Identifier: Apache-2.0
#include "network/dns/names.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/strings.h"
#include "network/dns/address.h"
#include "os/file.h"

namespace servin::dns {
namespace {

/// Names come from containers' records, which were checked; a blank in one would shift the words of its line.
bool is_word(const std::string& text) {
  if (text.empty()) return false;
  for (char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
  return true;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (auto& word : split(line, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  return words;
}

void parse_directive(const std::vector<std::string>& words, Names& names) {
  if (words[0] == "!internal") names.internal = true;
  if (words.size() < 2) return;
  if (words[0] == "!network") names.network = words[1];
  if (words[0] == "!listen" && Address::parse(words[1])) names.gateways.push_back(words[1]);
}

void parse_endpoint(const std::vector<std::string>& words, Names& names) {
  if (words.size() < 4) return;
  Endpoint e{words[0] == "-" ? "" : words[0], words[1] == "-" ? "" : words[1], words[2], words[3], {}, {}};
  if ((!e.ip4.empty() && !Address::parse(e.ip4)) || (!e.ip6.empty() && !Address::parse(e.ip6))) return;
  for (std::size_t i = 4; i < words.size(); ++i) {
    if (words[i][0] == '@')
      e.dns.push_back(words[i].substr(1));
    else
      e.aliases.push_back(words[i]);
  }
  names.endpoints.push_back(std::move(e));
}

}  // namespace

std::string format_names(const Names& names) {
  std::string text;
  if (is_word(names.network)) text += "!network " + names.network + "\n";
  if (names.internal) text += "!internal\n";
  for (const auto& address : names.gateways) text += "!listen " + address + "\n";
  for (const auto& e : names.endpoints) {
    if (!is_word(e.id) || !is_word(e.name)) continue;
    text += (e.ip4.empty() ? "-" : e.ip4) + " " + (e.ip6.empty() ? "-" : e.ip6) + " " + e.id + " " + e.name;
    for (const auto& alias : e.aliases)
      if (is_word(alias) && alias[0] != '@') text += " " + alias;
    for (const auto& server : e.dns)
      if (is_word(server)) text += " @" + server;
    text += "\n";
  }
  return text;
}

Names parse_names(std::string_view text) {
  Names names;
  for (const auto& line : split(text, '\n')) {
    auto words = words_of(line);
    if (words.empty() || words[0][0] == '#') continue;
    if (words[0][0] == '!')
      parse_directive(words, names);
    else
      parse_endpoint(words, names);
  }
  return names;
}

void write_names(const std::string& dir, const Names& names) {
  std::string parent = dir.substr(0, dir.rfind('/'));
  if (::chmod(parent.c_str(), 0755) != 0) throw_errno("open folder {} for the resolver", parent);
  if (::chmod(dir.c_str(), 0711) != 0) throw_errno("open folder {} for the resolver", dir);
  write_file(dir + "/names", format_names(names), 0644);
}

}  // namespace servin::dns
