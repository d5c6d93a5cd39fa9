// SPDX-License-Identifier: Apache-2.0
#include "image/push.h"

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <map>
#include <set>

#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "image/fetch.h"
#include "image/layer_type.h"
#include "image/lease.h"
#include "image/recompress.h"
#include "image/referrers.h"
#include "oci/referrer.h"
#include "oci/rewrite.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr std::size_t parallel = 4;
constexpr std::size_t max_mounts = 3;  // other repositories that are tried for one layer

struct Upload {
  oci::Descriptor blob;
  Fd file;
  std::vector<std::string> from;
  std::uint64_t request = 0;
  bool layer = true;
};

class Pusher {
 public:
  Pusher(ImageStore& store, transfer::Client& client, const RegistryPlace& place, const Image& image,
         const oci::Reference& target, const ProgressSink& progress)
      : store_(store),
        client_(client),
        place_(place),
        image_(image),
        target_(target),
        progress_(progress),
        lease_(store.paths()) {}

  Pushed run() {
    oci::Manifest manifest = oci::parse_manifest(image_.manifest_json);
    claim(manifest);
    std::string document = image_.manifest_json;
    if (compress_layers(manifest)) document = oci::with_layers(document, manifest.layers);
    std::set<std::string> seen;
    for (const oci::Descriptor& layer : manifest.layers)
      if (seen.insert(layer.digest.hex()).second) queue_.push_back(layer_upload(layer));
    Upload config;
    config.blob = manifest.config;
    config.file = make_memfd("config", image_.config_json, false);
    config.layer = false;
    queue_.push_back(std::move(config));
    upload_all();
    send_manifest(document, oci::parse_manifest(document).media_type);
    return pushed_;
  }

 private:
  void tell(const std::string& step, const std::string& object, std::uint64_t done, std::uint64_t total,
            bool finished) {
    if (progress_) progress_(Progress{step, object, done, total, finished});
  }
  static std::string short_name(const oci::Descriptor& blob) { return blob.digest.hex().substr(0, 12); }

  /// Nobody removes the blobs while they are read.
  void claim(const oci::Manifest& manifest) {
    std::vector<std::string> names;
    for (const oci::Descriptor& layer : manifest.layers) names.push_back(layer.digest.hex());
    lease_.claim(names);
  }

  bool compress_layers(oci::Manifest& manifest) {
    bool changed = false;
    for (oci::Descriptor& layer : manifest.layers) {
      if (compression_of(layer.media_type) != archive::Compression::none) continue;
      oci::Digest plain = layer.digest;
      std::uint64_t size = layer.size;
      Compressed made = compress_blob(store_, plain, size, lease_.scratch(), [&](std::uint64_t done, bool end) {
        tell("compressing", plain.hex().substr(0, 12), done, size, end);
      });
      bool docker = layer.media_type.starts_with("application/vnd.docker.");
      layer.media_type = docker ? oci::media_type::docker_layer_gzip : oci::media_type::oci_layer_gzip;
      layer.digest = made.digest;
      layer.size = made.size;
      files_[made.digest.hex()] = made.path;
      changed = true;
    }
    return changed;
  }

  Upload layer_upload(const oci::Descriptor& layer) {
    Upload upload;
    upload.blob = layer;
    auto made = files_.find(layer.digest.hex());
    std::string path = made == files_.end() ? store_.paths().blob(layer.digest.hex()) : made->second;
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0 || static_cast<std::uint64_t>(st.st_size) != layer.size)
      throw error(ErrorCode::data_loss, "blob {} of image {} is not in the store, or damaged", layer.digest.str(),
                  target_.familiar())
          .with_id("E-IMAGE-DAMAGED")
          .with_hint("get the image again: servin pull or servin load");
    upload.file = open_file(path, O_RDONLY | O_NOFOLLOW);
    upload.from = others_with(layer.digest);
    return upload;
  }

  /// Repositories of the same registry whose images have this layer: it is theirs to mount.
  std::vector<std::string> others_with(const oci::Digest& digest) {
    std::vector<std::string> names;
    for (const Image& other : images()) {
      if (other.manifest_json.find(digest.hex()) == std::string::npos) continue;
      for (const std::string& text : other.references) {
        oci::Reference name = oci::Reference::parse(text);
        bool same = name.registry == target_.registry && name.repository != target_.repository;
        if (same && std::ranges::find(names, name.repository) == names.end() && names.size() < max_mounts)
          names.push_back(name.repository);
      }
    }
    return names;
  }

  const std::vector<Image>& images() {
    if (!images_) images_ = store_.list();
    return *images_;
  }

  void upload_all() {
    std::vector<Upload> active;
    while (!active.empty() || !queue_.empty()) {
      while (active.size() < parallel && !queue_.empty()) {
        active.push_back(std::move(queue_.front()));
        queue_.pop_front();
        begin(active.back());
      }
      transfer::Answer answer = client_.receive();
      auto at = std::ranges::find_if(active, [&](const Upload& u) { return u.request == answer.id; });
      if (at == active.end()) continue;
      if (answer.failure) throw Error(*answer.failure);
      if (!answer.finished) {
        tell("pushing", short_name(at->blob), answer.progress, at->blob.size, false);
        continue;
      }
      note(*at, answer.value("status"));
      active.erase(at);
    }
  }

  void begin(Upload& upload) {
    transfer::Client::Request request;
    request.endpoint = place_.endpoint;
    request.op = "upload";
    request.text = {{"repository", place_.repository}, {"digest", upload.blob.digest.str()}};
    request.numbers = {{"size", upload.blob.size}};
    request.from = upload.from;
    request.fd = &upload.file;
    upload.request = client_.send(request);
  }

  void note(const Upload& upload, const std::string& status) {
    if (!upload.layer) return;
    if (status == "exists") ++pushed_.existed;
    if (status == "mounted") ++pushed_.mounted;
    if (status == "uploaded") ++pushed_.uploaded;
    std::string step = status == "exists" ? "already there" : status == "mounted" ? "mounted" : "pushing";
    tell(step, short_name(upload.blob), upload.blob.size, upload.blob.size, true);
  }

  void send_manifest(const std::string& document, const std::string& type) {
    oci::Digest digest = oci::Digest::of(document);
    auto answer = put_manifest(client_, place_, target_.tag.empty() ? digest.str() : target_.tag, type, document);
    pushed_.digest = digest.str();
    pushed_.size = document.size();
    try {
      oci::Digest subject = oci::parse_artifact(document).subject;
      if (!subject.empty() && answer.value("subject").empty()) list_by_tag(client_, place_, subject, {document});
    } catch (const Error& e) {
      log::warn("{}: it is there, but not in the list of what refers to its subject: {}", target_.familiar(),
                e.message());
    }
    Referrers(store_, client_, place_, digest).send(target_.familiar());
  }

  ImageStore& store_;
  transfer::Client& client_;
  const RegistryPlace& place_;
  const Image& image_;
  const oci::Reference& target_;
  const ProgressSink& progress_;
  Lease lease_;
  std::map<std::string, std::string> files_;  // made here, by hex digest
  std::optional<std::vector<Image>> images_;
  std::deque<Upload> queue_;
  Pushed pushed_;
};

}  // namespace

Pushed push(ImageStore& store, transfer::Client& client, const RegistryPlace& place, const Image& image,
            const oci::Reference& target, const ProgressSink& progress) {
  return Pusher(store, client, place, image, target, progress).run();
}

}  // namespace servin::image
