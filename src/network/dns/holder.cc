// SPDX-License-Identifier: Apache-2.0
#include "network/dns/holder.h"

#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/strings.h"
#include "os/file.h"

namespace servin::dns {
namespace {

constexpr std::size_t table_limit = 64U << 20U;

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (auto& word : split(line, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// "socket:[INODE]" of all sockets of the port in one of /proc/net's tables.
void add_sockets(std::set<std::string>& sockets, const std::string& table, const std::string& port, bool tcp) {
  for (const auto& line : split(read_file(table, table_limit).value_or(""), '\n')) {
    auto words = words_of(line);
    constexpr std::size_t local = 1, state = 3, inode = 9;
    if (words.size() <= inode || !words[local].ends_with(port)) continue;
    if (!tcp || words[state] == "0A") sockets.insert("socket:[" + words[inode] + "]");
  }
}

bool holds_one(const std::string& process, const std::set<std::string>& sockets) {
  for (const auto& number : list_dir(process + "/fd")) {
    char target[64];
    ssize_t n = ::readlink((process + "/fd/" + number).c_str(), target, sizeof target);
    if (n > 0 && sockets.contains(std::string(target, static_cast<std::size_t>(n)))) return true;
  }
  return false;
}

/// servin-shim has its container's id as its argument.
std::string container_of(const std::string& process, std::string_view name) {
  constexpr std::size_t short_id = 12;
  if (name != "servin-shim") return "";
  auto words = split(read_file(process + "/cmdline").value_or(""), '\0');
  return words.size() > 1 ? words[1].substr(0, short_id) : "";
}

}  // namespace

std::optional<PortHolder> find_port_holder(std::uint16_t port) {
  std::set<std::string> sockets;
  std::string suffix = fmt::format(":{:04X}", port);
  for (const char* table : {"udp", "udp6", "tcp", "tcp6"})
    add_sockets(sockets, std::string("/proc/net/") + table, suffix, table[0] == 't');
  if (sockets.empty()) return std::nullopt;
  for (const auto& name : list_dir("/proc")) {
    auto pid = parse_u64(name);
    if (!pid) continue;
    try {
      if (!holds_one("/proc/" + name, sockets)) continue;
      std::string command(trim(read_file("/proc/" + name + "/comm").value_or("")));
      return PortHolder{static_cast<pid_t>(*pid), command, container_of("/proc/" + name, command)};
    } catch (const Error&) {
      // Gone meanwhile, or not ours to look at.
    }
  }
  return std::nullopt;
}

}  // namespace servin::dns
