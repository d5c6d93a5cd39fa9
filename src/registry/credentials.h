// SPDX-License-Identifier: Apache-2.0
// Who we are at a registry, as docker and podman keep it: ~/.docker/config.json (auths, credHelpers, credsStore) and
// containers-auth.json(5). Helpers are the programs docker-credential-NAME.
#pragma once

#include <optional>
#include <string>

namespace servin::registry {

struct Credentials {
  std::string user, password;
  std::string identity_token;  // OAuth refresh token, instead of the password
  std::string registry_token;  // bearer token as it is
  bool empty() const { return user.empty() && identity_token.empty() && registry_token.empty(); }
};

/// --authfile, or "": $REGISTRY_AUTH_FILE, then podman's file, then docker's. The first that knows the host wins; a
/// name of the form host/namespace/repository in a file goes before the host alone.
Credentials find_credentials(const std::string& host, const std::string& repository, const std::string& auth_file);

/// Where login writes: `auth_file`, $REGISTRY_AUTH_FILE, or docker's config.json.
std::string login_file(const std::string& auth_file);
/// Keeps them in login_file() or in the helper that it names. Everything else in the file stays as it is.
void store_credentials(const std::string& host, const Credentials& credentials, const std::string& auth_file);
/// False: there were none.
bool drop_credentials(const std::string& host, const std::string& auth_file);

}  // namespace servin::registry
