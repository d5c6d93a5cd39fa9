// SPDX-License-Identifier: Apache-2.0
#include "network/dns/container_files.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "network/dns/address.h"
#include "network/dns/resolv_conf.h"

namespace servin::dns {
namespace {

constexpr const char* host_names[] = {"host.containers.internal", "host.docker.internal"};
constexpr const char* loopback_hosts =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

struct ExtraHost {
  std::string name, address;
};

ExtraHost parse_extra(const std::string& entry) {
  auto at = entry.find_first_of(":=");
  if (at == std::string::npos) return {entry, ""};
  std::string address = entry.substr(at + 1);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return {entry.substr(0, at), address};
}

std::vector<std::string> words_of(std::string_view line) {
  std::string clean(line.substr(0, line.find('#')));
  std::replace(clean.begin(), clean.end(), '\t', ' ');
  std::vector<std::string> words;
  for (auto& word : split(clean, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// Addresses of a name in a hosts file.
std::vector<std::string> addresses_of(std::string_view hosts, std::string_view name) {
  std::vector<std::string> found;
  for (const auto& line : split(hosts, '\n')) {
    auto words = words_of(line);
    for (std::size_t i = 1; i < words.size(); ++i)
      if (lower(words[i]) == name) found.push_back(words[0]);
  }
  return found;
}

std::string extra_lines(const std::vector<std::string>& extra, const std::vector<std::string>& host_addresses) {
  std::string text;
  for (const auto& entry : extra) {
    auto [name, address] = parse_extra(entry);
    if (address != "host-gateway") {
      text += address + "\t" + name + "\n";
      continue;
    }
    if (host_addresses.empty())
      throw error(ErrorCode::invalid_argument, "--add-host {}: this network has no way to the host", quoted(entry))
          .with_id("E-OPTION-CONFLICT")
          .with_hint("use --network bridge, or give the address itself");
    for (const auto& gateway : host_addresses) text += gateway + "\t" + name + "\n";
  }
  return text;
}

/// The host under the names that docker and podman have for it, unless the person, or the host's own file, gives them.
std::string host_lines(const FilesRequest& r, const std::vector<std::string>& host_addresses, std::string_view before) {
  std::vector<std::string> names;
  for (const char* name : host_names) {
    bool given = !addresses_of(before, name).empty();
    for (const auto& entry : r.extra_hosts) given = given || lower(parse_extra(entry).name) == name;
    if (!given) names.emplace_back(name);
  }
  std::string text;
  if (names.empty()) return text;
  for (const auto& address : host_addresses) text += address + "\t" + join(names, " ") + "\n";
  return text;
}

std::string own_names(const FilesRequest& r) {
  return r.domainname.empty() ? r.hostname : r.hostname + "." + r.domainname + " " + r.hostname;
}

std::string plan_hosts(const FilesRequest& r, const HostFiles& host) {
  std::string text = loopback_hosts;
  if (r.network == FilesRequest::Network::host) {
    text = host.hosts;
    if (!text.empty() && text.back() != '\n') text += '\n';
    std::vector<std::string> itself = {"127.0.0.1"};
    return text + extra_lines(r.extra_hosts, itself) + host_lines(r, itself, text);
  }
  text += extra_lines(r.extra_hosts, r.host_addresses) + host_lines(r, r.host_addresses, "");
  if (r.hostname.empty()) return text;
  // Without an address the own name leads to loopback, so that programs which look themselves up start.
  for (const auto& address : r.addresses) text += address + "\t" + own_names(r) + "\n";
  if (r.addresses.empty()) text += "127.0.0.1\t" + own_names(r) + "\n";
  return text;
}

bool any_loopback(const std::vector<std::string>& servers) {
  return std::any_of(servers.begin(), servers.end(), [](const auto& s) { return is_loopback_server(s); });
}

/// Can a container with these addresses send to it? Those of one interface (fe80::1%eth0) are the host's only.
bool is_reachable(const std::string& server, bool has_v6) {
  if (server.find('%') != std::string::npos || is_loopback_server(server)) return false;
  auto address = Address::parse(server);
  return address && (!address->v6 || has_v6);
}

// --dns-search and --dns-option replace what the host has; a search of "." alone means none. As docker does.
void override_rest(ResolvConf& conf, const FilesRequest& r) {
  if (!r.dns_search.empty()) conf.search = r.dns_search;
  if (conf.search.size() == 1 && conf.search[0] == ".") conf.search.clear();
  if (!r.dns_options.empty()) conf.options = r.dns_options;
}

void use_resolver(ResolvConf& conf, const FilesRequest& r) {
  conf.servers = r.host_addresses;
  bool has_dots = std::any_of(conf.options.begin(), conf.options.end(),
                              [](const auto& option) { return option.starts_with("ndots:"); });
  // The name of a container has no dot: without this it would first be asked for in each search domain, elsewhere.
  if (!has_dots) conf.options.emplace_back("ndots:0");
}

void plan_own_servers(ResolvConf& conf, const FilesRequest& r, ContainerFiles& files) {
  bool has_v6 = std::any_of(r.addresses.begin(), r.addresses.end(),
                            [](const auto& a) { return a.find(':') != std::string::npos; });
  // A name server of its own on the container's loopback is nothing that ours could ask.
  bool own_loopback = any_loopback(r.dns);
  if (r.resolver && !own_loopback && !r.host_addresses.empty()) {
    files.needs_resolver = true;
    return use_resolver(conf, r);
  }
  if (!r.dns.empty()) {
    conf.servers = r.dns;
    return;
  }
  bool hidden = conf.servers.empty() || any_loopback(conf.servers);
  std::erase_if(conf.servers, [&](const auto& server) { return !is_reachable(server, has_v6); });
  if ((hidden || conf.servers.empty()) && !r.host_addresses.empty()) {
    files.needs_resolver = true;
    conf.servers = r.host_addresses;
  }
}

}  // namespace

ContainerFiles plan_files(const FilesRequest& r, const HostFiles& host) {
  using Network = FilesRequest::Network;
  ContainerFiles files;
  files.hosts = plan_hosts(r, host);
  bool asked = !r.dns.empty() || !r.dns_search.empty() || !r.dns_options.empty();
  if (r.network == Network::host && !asked) {
    files.resolv_conf = host.resolv_conf;
    return files;
  }
  // Without a network there is nobody to ask.
  ResolvConf conf = r.network == Network::none ? ResolvConf{} : parse_resolv_conf(host.resolv_conf);
  override_rest(conf, r);
  if (r.network == Network::own)
    plan_own_servers(conf, r, files);
  else if (!r.dns.empty())
    conf.servers = r.dns;
  files.resolv_conf = format_resolv_conf(conf);
  return files;
}

ContainerFiles plan_shared_files(const FilesRequest& r, const HostFiles& of_other) {
  ContainerFiles files{of_other.hosts, of_other.resolv_conf, false};
  if (!files.hosts.empty() && files.hosts.back() != '\n') files.hosts += '\n';
  files.hosts += extra_lines(r.extra_hosts, addresses_of(of_other.hosts, host_names[0]));
  return files;
}

}  // namespace servin::dns
