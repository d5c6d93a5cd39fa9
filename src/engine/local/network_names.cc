// SPDX-License-Identifier: Apache-2.0
#include "engine/local/network_names.h"

#include <algorithm>

#include "base/error.h"
#include "base/id.h"
#include "os/file.h"

namespace servin::engine {
namespace {

constexpr std::size_t names_limit = 16U << 20U;  // as the resolver reads

FileLock lock_names(const std::string& dir, std::string_view network) {
  return FileLock::acquire(dir + "/names.lock", fmt::format("the list of names of network {}", network), lock_patience);
}

}  // namespace

void NetworkNames::change(const std::function<bool(dns::Names&)>& edit) {
  FileLock held = lock_names(dir_, short_id(std::string_view(dir_).substr(dir_.rfind('/') + 1)));
  auto text = read_file(dir_ + "/names", names_limit);
  if (!text) return;
  dns::Names names = dns::parse_names(*text);
  if (edit(names)) dns::write_names(dir_, names);
}

void NetworkNames::add(const network::NetworkConfig& network, const dns::Endpoint& endpoint,
                       const std::function<std::vector<dns::Endpoint>()>& others) {
  make_dirs(dir_);
  FileLock held = lock_names(dir_, network.name);
  dns::Names names;
  if (auto text = read_file(dir_ + "/names", names_limit))
    names.endpoints = dns::parse_names(*text).endpoints;
  else
    names.endpoints = others();
  names.network = network.name;
  names.internal = network.internal;
  for (const auto& s : network.subnets)
    if (s.gateway) names.gateways.push_back(s.gateway->text());
  std::erase_if(names.endpoints, [&](const dns::Endpoint& e) { return e.id == endpoint.id; });
  names.endpoints.push_back(endpoint);
  dns::write_names(dir_, names);
}

void NetworkNames::remove(const std::string& container) {
  if (!path_exists(dir_ + "/names")) return;
  change([&](dns::Names& names) {
    return std::erase_if(names.endpoints, [&](const dns::Endpoint& e) { return e.id == container; }) > 0;
  });
}

void NetworkNames::rename(const std::string& container, const std::string& name) {
  if (!path_exists(dir_ + "/names")) return;
  change([&](dns::Names& names) {
    bool changed = false;
    for (auto& e : names.endpoints)
      if (e.id == container) e.name = name, changed = true;
    return changed;
  });
}

}  // namespace servin::engine
