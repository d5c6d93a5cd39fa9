// SPDX-License-Identifier: Apache-2.0
#include "registry/certificates.h"

#include <vector>

#include "base/error.h"
#include "os/file.h"

namespace servin::registry {

namespace {

constexpr const char* system_bundle = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t bundle_limit = 16U << 20U;

/// libcurl passes over what is no PEM, and would then say that nobody is to be trusted.
std::string read_ca(const std::string& path) {
  std::string text = read_file(path, bundle_limit).value_or("");
  if (text.find("-----BEGIN ") != std::string::npos) return text + "\n";
  throw error(ErrorCode::failed_precondition, "{} holds no certificate in PEM", path)
      .with_id("E-REGISTRY-TLS")
      .with_hint("openssl x509 -inform der -in FILE -out ca.crt makes it of a binary one");
}

void read_folder(const std::string& folder, Certificates& found) {
  for (const std::string& name : list_dir(folder)) {
    std::string path = folder + "/" + name;
    if (name.ends_with(".crt")) found.ca += read_ca(path);
    if (!name.ends_with(".cert") || !found.cert.empty()) continue;
    std::string key = folder + "/" + name.substr(0, name.size() - 5) + ".key";
    auto text = read_file(key);
    if (!text)
      throw error(ErrorCode::failed_precondition, "{} has no key: {} is missing", path, key)
          .with_id("E-REGISTRY-TLS")
          .with_hint("put the key there, or remove the certificate");
    found.cert = read_file(path).value_or("");
    found.key = *text;
  }
}

}  // namespace

Certificates read_certificates(const std::string& host, const std::string& folder) {
  Certificates found;
  std::vector<std::string> folders = {folder};
  if (folder.empty()) folders = {"/etc/containers/certs.d/" + host, "/etc/docker/certs.d/" + host};
  for (const std::string& place : folders) read_folder(place, found);
  // A CA of one's own adds to the system's, as docker does it.
  if (!found.ca.empty()) found.ca += read_file(system_bundle, bundle_limit).value_or("");
  return found;
}

}  // namespace servin::registry
