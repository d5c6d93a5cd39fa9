// SPDX-License-Identifier: Apache-2.0
// /etc/hosts, /etc/hostname and /etc/resolv.conf. They are made anew at each start and bound over whatever the image
// has there.
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/local/spec_parts.h"
#include "network/dns/container_files.h"
#include "os/file.h"

namespace servin::engine {
namespace {

constexpr std::size_t host_file_limit = 1U << 20U;

std::string host_file(const std::string& path) { return read_file(path, host_file_limit).value_or(""); }

dns::FilesRequest files_request(const CreateRequest& r, const NetworkView& view) {
  using Network = dns::FilesRequest::Network;
  dns::FilesRequest q;
  if (r.network == "host") q.network = Network::host;
  if (!view.addresses.empty()) q.network = Network::own;
  q.hostname = r.hostname;
  q.domainname = r.domainname;
  q.extra_hosts = r.extra_hosts;
  q.dns = r.dns;
  q.dns_search = r.dns_search;
  q.dns_options = r.dns_options;
  q.addresses = view.addresses;
  q.host_addresses = view.host_addresses;
  q.resolver = view.resolver;
  return q;
}

std::string hostname(const CreateRequest& r) {
  if (!r.hostname.empty()) return r.hostname + "\n";
  return host_file("/etc/hostname");
}

// In place: a mount of the file by a running sharer would not see a renamed one. Cut only afterwards, so that who reads
// it meanwhile finds no empty file. The folder is ours alone.
void put(const std::string& path, const std::string& text) {
  Fd fd = open_file(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644);
  write_all(fd, text, path);
  if (::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0) throw_errno("write {}", path);
}

}  // namespace

bool write_network_files(const ContainerConfig& config, const std::string& dir, const std::string& donor,
                         const NetworkView& view) {
  const CreateRequest& r = config.request;
  dns::FilesRequest request = files_request(r, view);
  make_dirs(dir);
  dns::ContainerFiles files;
  if (!donor.empty()) {
    files = dns::plan_shared_files(request, {host_file(donor + "/hosts"), host_file(donor + "/resolv.conf")});
  } else {
    dns::HostFiles host;
    if (request.network == dns::FilesRequest::Network::host) host.hosts = host_file("/etc/hosts");
    if (request.network != dns::FilesRequest::Network::none) host.resolv_conf = host_file("/etc/resolv.conf");
    files = dns::plan_files(request, host);
  }
  put(dir + "/hosts", files.hosts);
  put(dir + "/resolv.conf", files.resolv_conf);
  put(dir + "/hostname", donor.empty() ? hostname(r) : host_file(donor + "/hostname"));
  return files.needs_resolver;
}

}  // namespace servin::engine
