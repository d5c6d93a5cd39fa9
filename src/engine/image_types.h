// SPDX-License-Identifier: Apache-2.0
// Images and registries of the Engine interface (types.h has the rest).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace servin::engine {

struct CommitRequest {
  std::string reference;  // full form; "" = none
  std::string author, message;
  std::vector<std::string> changes;  // "CMD ...", as of import
  bool pause = true;
};

struct ImageSummary {
  std::string id;                      // "sha256:..." of the config
  std::vector<std::string> repo_tags;  // full references, "docker.io/library/alpine:latest"
  std::vector<std::string> repo_digests;
  std::string manifest_digest;
  Time created;
  std::uint64_t size = 0;  // bytes of the unpacked layers
  std::map<std::string, std::string> labels;
  std::int64_t containers = 0;  // that use it
  std::string platform;         // "linux/amd64"
};

struct ImageHistory {
  Time created;
  std::string created_by;
  std::string comment;
  std::uint64_t size = 0;
  bool empty_layer = false;
};

struct ImageDetail {
  ImageSummary summary;
  std::string config_json;  // the OCI image config, as stored
  std::string manifest_json;
  std::vector<std::string> diff_ids;
  std::vector<ImageHistory> history;  // oldest first, with the size of each layer
};

struct ImageFilter {
  std::map<std::string, std::vector<std::string>> filters;  // dangling label reference before since until
};

struct LoadRequest {
  std::string name;                  // NAME:TAG to give (import FILE NAME:TAG); "" = those in the archive
  std::string platform;              // "" = the host's
  std::uint64_t max_entries = 0;     // per layer; 0 = default
  std::uint64_t max_bytes = 0;       // unpacked, per layer; 0 = default
  std::vector<std::string> changes;  // import --change "CMD ..." for a plain root file system
  std::string message;
};
struct LoadedImage {
  std::string id;
  std::string reference;  // "" when it has none
  bool existed = false;
};

/// How to meet a registry; what is not said comes from this machine's files.
struct RegistryAccess {
  std::optional<bool> tls_verify;
  std::string credentials;  // USER[:PASSWORD]
  std::string auth_file, cert_dir;
};
struct PullRequest {
  std::string image;
  std::string platform;  // "" = the host's
  bool all_tags = false;
  RegistryAccess access;
};
struct PulledImage {
  std::string id, reference, digest;
  bool existed = false;  // nothing was new
};
struct PushRequest {
  std::string image;
  std::string target;  // "" = its own name
  bool all_tags = false;
  RegistryAccess access;
};
struct PushedImage {
  std::string reference, digest;
  std::uint64_t size = 0;  // of the manifest
  std::uint64_t uploaded = 0, mounted = 0, existed = 0;
};
struct LoginRequest {
  std::string registry;  // "" = docker.io
  std::string user, password;
  RegistryAccess access;
};
struct SearchRequest {
  std::string term;  // [REGISTRY/]WORDS
  std::uint64_t limit = 25;
  RegistryAccess access;
};
struct SearchResult {
  std::string name, description;
  std::uint64_t stars = 0;
  bool official = false;
};

enum class SaveFormat { docker_archive, oci_archive };

struct RemovedImage {
  std::vector<std::string> untagged;
  std::vector<std::string> deleted;  // digests
};

}  // namespace servin::engine
