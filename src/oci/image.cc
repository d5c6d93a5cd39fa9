// SPDX-License-Identifier: Apache-2.0
#include "oci/image.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "oci/health.h"
#include "oci/json_strict.h"

namespace servin::oci {

using detail::Json;
using detail::Node;

namespace {

constexpr std::array index_types = {media_type::oci_index, media_type::docker_manifest_list};
constexpr std::array manifest_types = {media_type::oci_manifest, media_type::docker_manifest};
constexpr std::array config_types = {media_type::oci_config, media_type::docker_config};
constexpr std::array<std::string_view, 10> layer_types = {
    media_type::oci_layer,
    media_type::oci_layer_gzip,
    media_type::oci_layer_zstd,
    media_type::docker_layer,
    media_type::docker_layer_gzip,
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
};

bool one_of(std::string_view text, const auto& list) { return std::ranges::find(list, text) != list.end(); }

/// What makes a document an index is its shape; the media type, where it is written, must say the same. A document that
/// can be read both ways was made to show two readers two images (CVE-2021-41190).
bool shape_is_index(const Node& document) {
  document.require_object();
  if (document.has("fsLayers") || document.has("signatures"))
    throw error(ErrorCode::unsupported, "{}: docker's schema 1 manifests are not supported", document.path())
        .with_hint("save the image again with a docker of 2016 or later");
  bool index = document.has("manifests");
  bool manifest = document.has("layers") || document.has("config");
  if (index && manifest) document.fail("has \"manifests\" and \"layers\" or \"config\": it must be one or the other");
  if (!index && !manifest) document.fail("is neither an image index nor an image manifest");
  if (document.at("schemaVersion").size() != 2) document.at("schemaVersion").fail("must be 2");
  if (auto type = document.find("mediaType")) {
    std::string text = type->string();
    if (!(index ? one_of(text, index_types) : one_of(text, manifest_types)))
      type->fail("\"" + printable(text.substr(0, 100)) + "\" does not agree with what the document is");
  }
  return index;
}

Platform parse_platform(const Node& node) {
  Platform platform;
  platform.os = node.string_or("os");
  platform.architecture = node.string_or("architecture");
  platform.variant = node.string_or("variant");
  return platform;
}

Descriptor parse_descriptor(const Node& node) {
  Descriptor descriptor;
  descriptor.media_type = node.at("mediaType").string();
  descriptor.digest = node.at("digest").digest();
  descriptor.size = node.at("size").size();
  if (auto platform = node.find("platform")) descriptor.platform = parse_platform(*platform);
  if (auto annotations = node.find("annotations")) descriptor.annotations = annotations->string_map();
  return descriptor;
}

HistoryEntry parse_history(const Node& node) {
  HistoryEntry entry;
  entry.created = node.string_or("created");
  entry.created_by = node.string_or("created_by");
  entry.author = node.string_or("author");
  entry.comment = node.string_or("comment");
  if (auto empty = node.find("empty_layer")) entry.empty_layer = empty->boolean();
  return entry;
}

/// The "config" member: how to run the image.
void parse_execution(const Node& node, ImageConfig& config) {
  config.user = node.string_or("User");
  config.working_dir = node.string_or("WorkingDir");
  config.stop_signal = node.string_or("StopSignal");
  config.env = node.strings_or_empty("Env");
  config.entrypoint = node.strings_or_empty("Entrypoint");
  config.cmd = node.strings_or_empty("Cmd");
  if (auto ports = node.find("ExposedPorts")) config.exposed_ports = ports->keys();
  if (auto volumes = node.find("Volumes")) config.volumes = volumes->keys();
  if (auto labels = node.find("Labels")) config.labels = labels->string_map();
}

Json platform_json(const Platform& platform) {
  Json json = {{"os", platform.os}, {"architecture", platform.architecture}};
  if (!platform.variant.empty()) json["variant"] = platform.variant;
  return json;
}

Json descriptor_json(const Descriptor& descriptor) {
  Json json = {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
  if (descriptor.platform) json["platform"] = platform_json(*descriptor.platform);
  if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
  return json;
}

Json names_json(const std::vector<std::string>& names) {
  Json json = Json::object();
  for (const std::string& name : names) json[name] = Json::object();
  return json;
}

Json history_json(const HistoryEntry& entry) {
  Json json = Json::object();
  if (!entry.created.empty()) json["created"] = entry.created;
  if (!entry.created_by.empty()) json["created_by"] = entry.created_by;
  if (!entry.author.empty()) json["author"] = entry.author;
  if (!entry.comment.empty()) json["comment"] = entry.comment;
  if (entry.empty_layer) json["empty_layer"] = true;
  return json;
}

Json health_json(const HealthCheck& health) {
  Json json = {{"Test", health.test}};
  auto add = [&](const char* key, std::int64_t value) {
    if (value != 0) json[key] = value;
  };
  add("Interval", health.interval);
  add("Timeout", health.timeout);
  add("StartPeriod", health.start_period);
  add("StartInterval", health.start_interval);
  add("Retries", health.retries);
  return json;
}

Json execution_json(const ImageConfig& config) {
  Json json = Json::object();
  if (!config.user.empty()) json["User"] = config.user;
  if (!config.working_dir.empty()) json["WorkingDir"] = config.working_dir;
  if (!config.stop_signal.empty()) json["StopSignal"] = config.stop_signal;
  if (!config.env.empty()) json["Env"] = config.env;
  if (!config.entrypoint.empty()) json["Entrypoint"] = config.entrypoint;
  if (!config.cmd.empty()) json["Cmd"] = config.cmd;
  if (!config.exposed_ports.empty()) json["ExposedPorts"] = names_json(config.exposed_ports);
  if (!config.volumes.empty()) json["Volumes"] = names_json(config.volumes);
  if (!config.labels.empty()) json["Labels"] = config.labels;
  if (!config.health.test.empty()) json["Healthcheck"] = health_json(config.health);
  return json;
}

/// Texts of ours may come from a command line: what is not UTF-8 is replaced rather than thrown over.
std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

bool is_index(std::string_view json) {
  Json document = detail::parse_strict(json, max_manifest_size, "image manifest");
  return shape_is_index(Node(document, "image manifest"));
}

Index parse_index(std::string_view json) {
  Json document = detail::parse_strict(json, max_manifest_size, "image index");
  Node root(document, "image index");
  if (!shape_is_index(root)) root.fail("is a manifest, not an index");
  Index index;
  index.media_type = root.string_or("mediaType", std::string(media_type::oci_index));
  for (const Node& node : root.at("manifests").list()) index.manifests.push_back(parse_descriptor(node));
  return index;
}

Manifest parse_manifest(std::string_view json) {
  Json document = detail::parse_strict(json, max_manifest_size, "image manifest");
  Node root(document, "image manifest");
  if (shape_is_index(root)) root.fail("is an index, not a manifest");
  Manifest manifest;
  manifest.media_type = root.string_or("mediaType", std::string(media_type::oci_manifest));
  manifest.config = parse_descriptor(root.at("config"));
  if (!one_of(manifest.config.media_type, config_types))
    root.at("config")
        .at("mediaType")
        .fail("\"" + printable(manifest.config.media_type.substr(0, 100)) +
              "\" is not an image's configuration: this is some other artifact");
  for (const Node& node : root.at("layers").list()) {
    manifest.layers.push_back(parse_descriptor(node));
    const std::string& type = manifest.layers.back().media_type;
    if (!one_of(type, layer_types))
      node.at("mediaType").fail("\"" + printable(type.substr(0, 100)) + "\" is not an image layer");
  }
  return manifest;
}

ImageConfig parse_image_config(std::string_view json) {
  Json document = detail::parse_strict(json, max_config_size, "image config");
  Node root(document, "image config");
  ImageConfig config;
  config.platform = parse_platform(root);
  if (config.platform.os.empty()) config.platform.os = "linux";
  config.created = root.string_or("created");
  config.author = root.string_or("author");
  if (auto execution = root.find("config")) parse_execution(*execution, config);
  Node rootfs = root.at("rootfs");
  if (rootfs.string_or("type", "layers") != "layers") rootfs.at("type").fail("must be \"layers\"");
  if (auto diff_ids = rootfs.find("diff_ids"))
    for (const Node& node : diff_ids->list()) config.diff_ids.push_back(node.digest());
  if (auto history = root.find("history"))
    for (const Node& node : history->list()) config.history.push_back(parse_history(node));
  parse_health_check(json);  // a bad one is refused before it is stored, not when it is used
  return config;
}

std::string to_json(const Index& index) {
  Json manifests = Json::array();
  for (const Descriptor& descriptor : index.manifests) manifests.push_back(descriptor_json(descriptor));
  return dump(Json{{"schemaVersion", 2}, {"mediaType", index.media_type}, {"manifests", manifests}});
}

std::string to_json(const Manifest& manifest) {
  Json layers = Json::array();
  for (const Descriptor& descriptor : manifest.layers) layers.push_back(descriptor_json(descriptor));
  return dump(Json{{"schemaVersion", 2},
                   {"mediaType", manifest.media_type},
                   {"config", descriptor_json(manifest.config)},
                   {"layers", layers}});
}

std::string to_json(const ImageConfig& config) {
  Json json = platform_json(config.platform);
  if (!config.created.empty()) json["created"] = config.created;
  if (!config.author.empty()) json["author"] = config.author;
  json["config"] = execution_json(config);
  Json diff_ids = Json::array();
  for (const Digest& diff : config.diff_ids) diff_ids.push_back(diff.str());
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids}};
  if (!config.history.empty()) {
    json["history"] = Json::array();
    for (const HistoryEntry& entry : config.history) json["history"].push_back(history_json(entry));
  }
  return dump(json);
}

std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids) {
  std::vector<Digest> chain;
  chain.reserve(diff_ids.size());
  for (const Digest& diff : diff_ids)
    chain.push_back(chain.empty() ? diff : Digest::of(chain.back().str() + " " + diff.str()));
  return chain;
}

}  // namespace servin::oci
