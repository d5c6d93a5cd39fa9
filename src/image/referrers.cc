// SPDX-License-Identifier: Apache-2.0
#include "image/referrers.h"

#include <algorithm>
#include <fcntl.h>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "image/fetch.h"
#include "image/scratch.h"
#include "oci/referrer.h"
#include "os/file.h"

namespace servin::image {

namespace {

// Signatures have a few KiB, bills of materials some MiB.
constexpr std::uint64_t max_bytes = 64U << 20U;  // of one image
constexpr std::size_t max_blobs = 16;            // of one referrer
constexpr const char* manifest_file = "manifest";

}  // namespace

void Referrers::keep(const std::string& name) {
  try {
    keep_all(name);
  } catch (const Error& e) {
    log::warn("{}: what refers to it (signatures and the like) was not kept: {}", name, e.message());
  }
}

void Referrers::keep_all(const std::string& name) {
  transfer::Answer answer;
  transfer::Client::Request request;
  request.op = "referrers";
  request.text = {{"digest", subject_.str()}};
  std::string list = fetch_bytes(client_, place_, request, oci::max_manifest_size, answer);
  if (list.empty()) return;
  bytes_ = tree_size(folder());  // of earlier pulls
  std::size_t large = 0;
  for (const oci::Descriptor& entry : oci::parse_index(list).manifests) {
    try {
      if (!keep_one(entry)) ++large;
    } catch (const Error& e) {
      // One that is gone or odd is no reason to lose the others.
      log::warn("{}: what refers to it, {}, was not kept: {}", name, entry.digest.str(), e.message());
    }
  }
  if (large > 0) log::warn("{} of what refers to {} is too large to be kept", large, subject_.str());
}

/// False: it is too large.
bool Referrers::keep_one(const oci::Descriptor& entry) {
  std::string place = folder() + "/" + entry.digest.hex();
  if (path_exists(place)) return true;
  if (entry.size > oci::max_manifest_size || bytes_ + entry.size > max_bytes) return false;
  transfer::Answer answer;
  transfer::Client::Request request;
  request.op = "manifest";
  request.text = {{"reference", entry.digest.str()}};
  std::string document = fetch_bytes(client_, place_, request, oci::max_manifest_size, answer);
  if (oci::Digest::of(document) != entry.digest)
    throw registry_lies(place_, fmt::format("what it has for {} has another digest", entry.digest.str()));
  oci::Artifact artifact = oci::parse_artifact(document);
  if (artifact.subject != subject_)
    throw registry_lies(place_, fmt::format("{} does not refer to {}", entry.digest.str(), subject_.str()));
  std::uint64_t size = document.size();
  for (const oci::Descriptor& blob : artifact.blobs) size = std::min(size, max_bytes) + std::min(blob.size, max_bytes);
  if (artifact.blobs.size() > max_blobs || bytes_ + size > max_bytes) return false;
  bytes_ += size;
  Scratch scratch(store_.paths());
  std::string made = scratch.path() + "/referrer";
  make_dirs(made);
  for (const oci::Descriptor& blob : artifact.blobs)
    write_file(made + "/" + blob.digest.hex(), fetch_small_blob(client_, place_, blob, "blob"), 0600, Sync::yes);
  write_file(made + "/" + manifest_file, document, 0600, Sync::yes);
  sync_path(made);
  make_dirs(folder());
  try {
    rename_path(made, place);
  } catch (const Error&) {
    if (!path_exists(place)) throw;  // else another pull was faster
  }
  sync_path(folder());
  sync_path(store_.paths().referrers());
  return true;
}

void Referrers::send(const std::string& name) {
  try {
    std::vector<std::string> unlisted;
    for (const std::string& hex : list_dir(folder())) {
      try {
        bool listed = false;
        std::string document = send_one(hex, listed);
        if (!listed) unlisted.push_back(std::move(document));
      } catch (const Error& e) {
        log::warn("{}: it is there, but what refers to it, sha256:{}, is not: {}", name, hex, e.message());
      }
    }
    list_by_tag(client_, place_, subject_, unlisted);
  } catch (const Error& e) {
    log::warn("{}: it is there, but what refers to it (signatures and the like) is not: {}", name, e.message());
  }
}

/// `listed`: the registry has understood that it is a referrer.
std::string Referrers::send_one(const std::string& hex, bool& listed) {
  std::string path = folder() + "/" + hex;
  std::string document = read_file(path + "/" + manifest_file, oci::max_manifest_size).value_or("");
  if (oci::Digest::of(document).hex() != hex)
    throw error(ErrorCode::data_loss, "{} is damaged", path).with_id("E-IMAGE-DAMAGED");
  oci::Artifact artifact = oci::parse_artifact(document);
  for (const oci::Descriptor& blob : artifact.blobs) upload(path + "/" + blob.digest.hex(), blob);
  transfer::Answer answer = put_manifest(client_, place_, "sha256:" + hex, artifact.media_type, document);
  listed = !answer.value("subject").empty();
  return document;
}

void Referrers::upload(const std::string& path, const oci::Descriptor& blob) {
  Fd file = open_file(path, O_RDONLY | O_NOFOLLOW);
  transfer::Client::Request request;
  request.endpoint = place_.endpoint;
  request.op = "upload";
  request.text = {{"repository", place_.repository}, {"digest", blob.digest.str()}};
  request.numbers = {{"size", blob.size}};
  request.fd = &file;
  client_.call(request);
}

void list_by_tag(transfer::Client& client, const RegistryPlace& place, const oci::Digest& subject,
                 const std::vector<std::string>& manifests) {
  if (manifests.empty()) return;
  std::string tag = oci::referrers_tag(subject), before;
  transfer::Answer answer;
  transfer::Client::Request request;
  request.op = "manifest";
  request.text = {{"reference", tag}};
  try {
    before = fetch_bytes(client, place, request, oci::max_manifest_size, answer);
  } catch (const Error& e) {
    if (e.id() != "E-REGISTRY-NOT-FOUND") throw;
  }
  std::string after = before;
  for (const std::string& manifest : manifests) after = oci::with_referrer(after, manifest);
  if (after != before) put_manifest(client, place, tag, oci::media_type::oci_index, after);
}

std::uint64_t drop_referrers(const Paths& paths, const std::vector<state::ImageRow>& images, bool dry_run) {
  std::vector<std::string> kept = list_dir(paths.referrers());
  if (kept.empty()) return 0;
  std::set<std::string> subjects;
  for (const state::ImageRow& row : images) subjects.insert(row.manifest_digest);
  std::uint64_t bytes = 0;
  for (const std::string& hex : kept) {
    if (subjects.contains("sha256:" + hex)) continue;
    std::string path = paths.referrers() + "/" + hex;
    bytes += tree_size(path);
    if (!dry_run) move_to_trash(paths, path);
  }
  return bytes;
}

}  // namespace servin::image
