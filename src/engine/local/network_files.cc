// SPDX-License-Identifier: Apache-2.0
// /etc/hosts, /etc/hostname and /etc/resolv.conf. They are made anew at each start and bound over whatever the image
// has there.
#include <fcntl.h>

#include "base/error.h"
#include "base/strings.h"
#include "engine/local/spec_parts.h"
#include "os/file.h"

namespace servin::engine {
namespace {

constexpr std::size_t host_file_limit = 1U << 20U;

std::string host_file(const std::string& path) { return read_file(path, host_file_limit).value_or(""); }

std::string extra_hosts(const CreateRequest& r) {
  std::string text;
  for (const auto& entry : r.extra_hosts) {
    auto at = entry.find_first_of(":=");
    std::string address = entry.substr(at + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    text += address + "\t" + entry.substr(0, at) + "\n";
  }
  return text;
}

std::string hosts(const CreateRequest& r) {
  std::string text;
  if (r.network == "host") {
    text = host_file("/etc/hosts");
    if (!text.empty() && text.back() != '\n') text += '\n';
  } else {
    text =
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
        "ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    // There is loopback only: the container's own name leads to it, so that programs which look themselves up start.
    if (!r.hostname.empty()) {
      text += "127.0.0.1\t" + r.hostname;
      if (!r.domainname.empty()) text += "." + r.domainname + " " + r.hostname;
      text += "\n";
    }
  }
  return text + extra_hosts(r);
}

std::string resolv_conf(const CreateRequest& r) {
  bool own = !r.dns.empty() || !r.dns_search.empty() || !r.dns_options.empty();
  // Without a network there is nobody to ask.
  if (!own) return r.network == "host" ? host_file("/etc/resolv.conf") : "";
  std::string text;
  for (const auto& server : r.dns) text += "nameserver " + server + "\n";
  if (r.dns.empty() && r.network == "host") {
    for (const auto& line : split(host_file("/etc/resolv.conf"), '\n'))
      if (line.starts_with("nameserver")) text += line + "\n";
  }
  bool no_search = r.dns_search.size() == 1 && r.dns_search[0] == ".";
  if (!r.dns_search.empty() && !no_search) text += "search " + join(r.dns_search, " ") + "\n";
  if (!r.dns_options.empty()) text += "options " + join(r.dns_options, " ") + "\n";
  return text;
}

std::string hostname(const CreateRequest& r) {
  if (!r.hostname.empty()) return r.hostname + "\n";
  return host_file("/etc/hostname");
}

// In place: a mount of the file by a running sharer would not see a renamed one. The folder is ours alone.
void put(const std::string& path, const std::string& text) {
  Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
  write_all(fd, text, path);
}

}  // namespace

void write_network_files(const ContainerConfig& config, const std::string& dir, const std::string& donor) {
  const CreateRequest& r = config.request;
  make_dirs(dir);
  if (!donor.empty()) {
    put(dir + "/hosts", host_file(donor + "/hosts") + extra_hosts(r));
    put(dir + "/resolv.conf", host_file(donor + "/resolv.conf"));
    put(dir + "/hostname", host_file(donor + "/hostname"));
    return;
  }
  put(dir + "/hosts", hosts(r));
  put(dir + "/resolv.conf", resolv_conf(r));
  put(dir + "/hostname", hostname(r));
}

}  // namespace servin::engine
