// SPDX-License-Identifier: Apache-2.0
// registry/: what this machine's files say about registries: where an image's name leads (registries.conf: short names,
// mirrors, other locations, which are insecure or blocked), who we are there (docker's and podman's files of
// credentials) and whom to trust (certs.d). Nothing here talks to anybody.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "oci/image.h"

namespace servin::registry {

/// One place to ask for an image, in the order of asking.
struct Place {
  std::string host;  // HOST or HOST:PORT
  std::string repository;
  bool insecure = false;
  bool mirror = false;
};

struct RegistryRule {
  struct Mirror {
    std::string location;
    bool insecure = false;
    bool digests = true, tags = true;
  };
  std::string prefix, location;
  bool insecure = false, blocked = false, digest_only_mirrors = false;
  std::vector<Mirror> mirrors;
};

struct NameRules {
  std::vector<RegistryRule> rules;
  std::vector<std::pair<std::string, std::string>> aliases;  // later ones win
  std::vector<std::string> search;                           // where short names are looked for, in this order
  bool enforcing = false;                                    // short-name-mode: several may not be tried without asking

  /// Adds what one file says; files that are read later win.
  void add_file(const std::string& text, const std::string& path);
};

/// /etc/containers/registries.conf and registries.conf.d/*.conf; $CONTAINERS_REGISTRIES_CONF instead of the first.
NameRules read_name_rules();

/// The full name that people mean: aliases for short names, else docker's rule.
oci::Reference full_name(const std::string& text, const NameRules& rules);
/// What a name to pull may stand for, in the order of asking: one, unless it is short, has no alias, and
/// unqualified-search-registries lists several.
std::vector<oci::Reference> candidates(const std::string& text, const NameRules& rules);
/// The error for a short name that must not be tried at several places. `why`: "...".
Error unclear(const std::string& text, const std::vector<oci::Reference>& list, std::string_view why);
/// Where to get it: mirrors first, then the registry itself. Throws when it is blocked.
std::vector<Place> places_of(const oci::Reference& reference, const NameRules& rules);
/// Where to push it to, log in or search: never a mirror.
Place home_of(const oci::Reference& reference, const NameRules& rules);

}  // namespace servin::registry
