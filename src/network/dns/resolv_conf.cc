// SPDX-License-Identifier: Apache-2.0
#include "network/dns/resolv_conf.h"

#include <algorithm>

#include "base/strings.h"
#include "network/dns/address.h"

namespace servin::dns {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (char c : std::string(line) + " ") {
    bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
    if (!blank)
      word += c;
    else if (!word.empty())
      words.push_back(std::exchange(word, {}));
  }
  return words;
}

bool is_server(const std::string& word) { return Address::parse(word.substr(0, word.find('%'))).has_value(); }

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  for (const auto& line : split(text, '\n')) {
    if (line.starts_with('#') || line.starts_with(';')) continue;
    auto words = words_of(line);
    if (words.size() < 2) continue;
    std::vector<std::string> values(words.begin() + 1, words.end());
    if (words[0] == "nameserver") {
      if (is_server(values[0])) conf.servers.push_back(values[0]);
    } else if (words[0] == "search") {
      conf.search = values;
    } else if (words[0] == "domain") {
      conf.search = {values[0]};
    } else if (words[0] == "options") {
      conf.options.insert(conf.options.end(), values.begin(), values.end());
    }
  }
  return conf;
}

std::string format_resolv_conf(const ResolvConf& conf) {
  std::string text;
  for (const auto& server : conf.servers) text += "nameserver " + server + "\n";
  if (!conf.search.empty()) text += "search " + join(conf.search, " ") + "\n";
  if (!conf.options.empty()) text += "options " + join(conf.options, " ") + "\n";
  return text;
}

bool is_loopback_server(std::string_view server) {
  auto address = Address::parse(server.substr(0, server.find('%')));
  // 0.0.0.0 and :: as a name server mean this machine too.
  return address && (address->is_loopback() || address->is_any());
}

bool is_resolved_stub(const ResolvConf& conf) {
  auto is_stub = [](const std::string& server) { return server == "127.0.0.53" || server == "127.0.0.54"; };
  return !conf.servers.empty() && std::all_of(conf.servers.begin(), conf.servers.end(), is_stub);
}

}  // namespace servin::dns
