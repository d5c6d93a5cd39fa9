// SPDX-License-Identifier: Apache-2.0
#include "oci/referrer.h"

#include <nlohmann/json.hpp>

#include "oci/json_strict.h"

namespace servin::oci {

namespace {

using detail::Node;

Descriptor parse_blob(const Node& node) {
  Descriptor blob;
  blob.media_type = node.at("mediaType").string();
  blob.digest = node.at("digest").digest();
  blob.size = node.at("size").size();
  return blob;
}

}  // namespace

Artifact parse_artifact(std::string_view manifest) {
  auto document = detail::parse_strict(manifest, max_manifest_size, "manifest");
  Node root(document, "manifest");
  root.require_object();
  if (root.has("manifests")) root.fail("is an index, not a manifest");
  Artifact artifact;
  artifact.media_type = root.string_or("mediaType", std::string(media_type::oci_manifest));
  if (auto subject = root.find("subject")) artifact.subject = subject->at("digest").digest();
  artifact.blobs.push_back(parse_blob(root.at("config")));
  if (auto layers = root.find("layers"))
    for (const Node& node : layers->list()) artifact.blobs.push_back(parse_blob(node));
  return artifact;
}

std::string with_referrer(const std::string& index, std::string_view manifest) {
  using Json = nlohmann::ordered_json;
  std::string digest = Digest::of(manifest).str();
  Json list = {{"schemaVersion", 2}, {"mediaType", media_type::oci_index}, {"manifests", Json::array()}};
  if (!index.empty()) {
    for (const Descriptor& known : parse_index(index).manifests)
      if (known.digest.str() == digest) return index;
    list = Json::parse(index);
  }
  Artifact artifact = parse_artifact(manifest);
  Json document = Json::parse(manifest);
  Json entry = {{"mediaType", artifact.media_type}, {"digest", digest}, {"size", manifest.size()}};
  bool typed = document.contains("artifactType") && document["artifactType"].is_string();
  entry["artifactType"] = typed ? document["artifactType"] : Json(artifact.blobs[0].media_type);
  if (document.contains("annotations") && document["annotations"].is_object())
    entry["annotations"] = document["annotations"];
  list["manifests"].push_back(std::move(entry));
  return list.dump();
}

std::string referrers_tag(const Digest& subject) { return "sha256-" + subject.hex(); }

}  // namespace servin::oci
