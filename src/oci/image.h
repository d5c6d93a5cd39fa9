// SPDX-License-Identifier: Apache-2.0
// OCI image-spec 1.1 documents (index, manifest, config; Docker's v2.2 forms too) and references, as data. Parsing is
// strict about what decides which bytes are used (digests, sizes, media types against shape) and refuses duplicate
// keys, depth and size bombs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.h"
#include "oci/health.h"

namespace servin::oci {

struct Platform {
  std::string os = "linux";
  std::string architecture;  // Go's words: amd64, arm64
  std::string variant;       // v8
  static Platform host();
  /// "linux/arm64/v8", "arm64", "linux". Throws invalid_argument.
  static Platform parse(std::string_view text);
  std::string str() const;
  /// Does an image for `offered` run where *this is wanted (arm64 = arm64/v8 ...)?
  bool accepts(const Platform& offered) const;
};

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::optional<Platform> platform;
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
};

struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;
};

struct HistoryEntry {
  std::string created, created_by, author, comment;
  bool empty_layer = false;
};

struct ImageConfig {
  Platform platform;
  std::string created, author;  // RFC 3339 as written
  std::string user, working_dir, stop_signal;
  std::vector<std::string> env, entrypoint, cmd, exposed_ports, volumes;
  std::map<std::string, std::string> labels;
  std::vector<Digest> diff_ids;
  std::vector<HistoryEntry> history;
  HealthCheck health;  // to be written; it is read by parse_health_check
};

constexpr std::size_t max_manifest_size = 4U << 20U;
constexpr std::size_t max_config_size = 16U << 20U;

namespace media_type {
constexpr std::string_view oci_index = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view oci_manifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view oci_config = "application/vnd.oci.image.config.v1+json";
constexpr std::string_view oci_layer = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
constexpr std::string_view oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
constexpr std::string_view docker_manifest_list = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view docker_config = "application/vnd.docker.container.image.v1+json";
constexpr std::string_view docker_layer = "application/vnd.docker.image.rootfs.diff.tar";
constexpr std::string_view docker_layer_gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media_type

/// Is this an index (true) or a manifest (false)? Throws when it is neither or both.
bool is_index(std::string_view json);
Index parse_index(std::string_view json);
Manifest parse_manifest(std::string_view json);
ImageConfig parse_image_config(std::string_view json);
std::string to_json(const Index& index);
std::string to_json(const Manifest& manifest);
std::string to_json(const ImageConfig& config);

/// chain id of OCI image-spec "Layer ChainID": identifies a stack of layers by content. Lowest layer first.
std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids);

/// [registry/]repository[:tag][@digest], normalised as docker does.
struct Reference {
  std::string registry;    // docker.io, localhost:5000
  std::string repository;  // library/alpine
  std::string tag;         // may be empty when a digest is given
  Digest digest;
  /// Throws invalid_argument. "alpine" -> docker.io/library/alpine:latest; "base" -> localhost/servin/base:latest
  /// (cli.md rule 9).
  static Reference parse(std::string_view text);
  /// The full form.
  std::string str() const;
  /// As people write it: without docker.io/library/ and docker.io/.
  std::string familiar() const;
  /// repository part of familiar(), for the REPOSITORY column.
  std::string familiar_name() const;
};

/// The first part of a name is a registry when it could not be a repository's: it has a dot, a colon or capitals.
bool looks_like_registry(std::string_view part);

}  // namespace servin::oci
