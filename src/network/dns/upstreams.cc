// SPDX-License-Identifier: Apache-2.0
#include "network/dns/upstreams.h"

#include <algorithm>

#include "base/error.h"
#include "network/dns/resolv_conf.h"
#include "os/file.h"

namespace servin::dns {
namespace {

constexpr std::size_t max_servers = 8;
constexpr std::size_t max_shunned = 64;
constexpr std::int64_t shun_ns = 10'000'000'000;

/// stat follows links: whatever part of the way to the file changes, another file is at its end.
FileStamp stamp_of(const std::string& path) {
  struct stat s{};
  return ::stat(path.c_str(), &s) == 0 ? FileStamp::from(s) : FileStamp{};
}

ResolvConf read_conf(const std::string& path) {
  try {
    return parse_resolv_conf(read_file(path).value_or(""));
  } catch (const Error&) {
    return {};
  }
}

void add(std::vector<SocketAddress>& list, const std::vector<std::string>& servers, std::uint16_t port) {
  for (const auto& text : servers) {
    auto server = SocketAddress::parse(text, port);
    if (server && list.size() < max_servers && std::find(list.begin(), list.end(), *server) == list.end())
      list.push_back(*server);
  }
}

}  // namespace

// One stat per forwarded question, and no watches: inotify would need one on each folder on the way, to be moved with
// each link that is swapped, and tells nothing of a mount over the file.
void Upstreams::refresh() {
  FileStamp stamp = stamp_of(config_.resolv_conf), stub = stamp_of(config_.stub_file);
  if (read_ && stamp == stamp_ && stub == stub_stamp_) return;
  ResolvConf conf = read_conf(config_.resolv_conf);
  // An empty file for a moment (rewritten in place, or a link that dangles while it is swapped) is no reason to forget.
  if (read_ && conf.servers.empty() && !host_.empty()) return;
  read_ = true;
  stamp_ = stamp;
  stub_stamp_ = stub;
  host_.clear();
  shunned_.clear();
  add(host_, conf.servers, config_.port);
  // The stub knows which server is for which domain, so it is asked first; its servers, should it be down.
  if (is_resolved_stub(conf)) add(host_, read_conf(config_.stub_file).servers, config_.port);
  if (host_.empty()) add(host_, {"127.0.0.1"}, config_.port);  // as glibc does
}

std::vector<SocketAddress> Upstreams::servers(const std::vector<std::string>& own, const std::vector<Address>& self,
                                              std::int64_t now) {
  std::vector<SocketAddress> list;
  for (const auto& text : own)
    if (!is_loopback_server(text)) add(list, {text}, config_.port);
  if (own.empty()) {
    refresh();
    list = host_;
  }
  std::erase_if(list, [&](const SocketAddress& s) {
    return s.port == config_.port && std::find(self.begin(), self.end(), s.address) != self.end();
  });
  std::stable_partition(list.begin(), list.end(), [&](const SocketAddress& s) {
    auto entry = shunned_.find(s);
    return entry == shunned_.end() || entry->second <= now;
  });
  return list;
}

void Upstreams::failed(const SocketAddress& server, std::int64_t now) {
  if (shunned_.size() >= max_shunned) shunned_.clear();
  shunned_[server] = now + shun_ns;
}

}  // namespace servin::dns
