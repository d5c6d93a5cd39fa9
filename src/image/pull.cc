// SPDX-License-Identifier: Apache-2.0
#include "image/pull.h"

#include <algorithm>
#include <fcntl.h>

#include <sys/stat.h>

#include "base/log.h"
#include "base/strings.h"
#include "image/fetch.h"
#include "image/full_disk.h"
#include "image/intake_job.h"
#include "image/layer_type.h"
#include "image/planned.h"
#include "image/referrers.h"
#include "os/file.h"

namespace servin::image {

namespace {

constexpr int max_depth = 4;                             // indexes in indexes
constexpr std::int64_t keep_downloads = 7L * 24 * 3600;  // seconds

struct Document {
  std::string text;
  oci::Digest digest;
};

class Puller {
 public:
  Puller(ImageStore& store, transfer::Client& client, const std::vector<RegistryPlace>& places,
         const oci::Reference& reference, const PullOptions& options, const ProgressSink& progress)
      : store_(store),
        client_(client),
        places_(places),
        reference_(reference),
        name_(reference.familiar()),
        options_(options),
        progress_(progress),
        wanted_(options.platform.empty() ? oci::Platform::host() : oci::Platform::parse(options.platform)) {}

 private:
  const std::string& host() const { return places_.at(place_).host; }

  Error lies(const std::string& why) const { return registry_lies(places_.at(place_), why); }

  template <typename F>
  auto understood(F&& parse) const {
    try {
      return parse();
    } catch (Error& e) {
      if (e.id().empty()) e.with_id("E-IMAGE-INVALID");
      throw e.context(name_);
    }
  }

 public:
  Pulled run() {
    tell("resolving", 0, 0, false);
    Document top = fetch_top();
    if (options_.found) options_.found();
    tell("resolving", top.text.size(), top.text.size(), true);
    PlannedImage image;
    Document manifest = find_manifest(top, 0);
    image.manifest = manifest.text;
    image.references = {stored_name()};
    oci::Manifest parsed = understood([&] { return oci::parse_manifest(manifest.text); });
    Loaded loaded;
    if (auto there = take_if_whole(parsed, image)) {
      loaded = *there;
    } else {
      loaded = fetch(parsed, image);
    }
    keep_referrers(loaded.id, manifest.digest);
    return {loaded.id, loaded.reference, top.digest.str(), loaded.existed};
  }

 private:
  void keep_referrers(const std::string& id, const oci::Digest& manifest) {
    auto row = store_.database().image(id);
    // An image that came by another way before may have kept its other manifest.
    if (!row || row->manifest_digest != manifest.str()) return;
    Referrers(store_, client_, places_.at(place_), manifest).keep(name_);
  }

  void tell(const char* step, std::uint64_t done, std::uint64_t total, bool finished) {
    if (progress_) progress_(Progress{step, name_, done, total, finished});
  }

  std::string stored_name() const {
    oci::Reference name = reference_;
    if (!name.digest.empty()) name.tag.clear();  // the digest says it all, as with docker
    return name.str();
  }

  Document fetch_manifest(const std::string& by, const oci::Digest& digest) {
    transfer::Answer answer;
    Document document;
    transfer::Client::Request request;
    request.op = "manifest";
    request.text = {{"reference", by}};
    document.text = fetch_bytes(client_, places_.at(place_), request, oci::max_manifest_size, answer);
    document.digest = oci::Digest::of(document.text);
    if (!digest.empty() && document.digest != digest)
      throw lies(fmt::format("what it has for {} has the digest {}", digest.str(), document.digest.str()));
    const std::string& said = answer.value("digest");
    if (digest.empty() && said.starts_with("sha256:") && said != document.digest.str())
      throw lies(fmt::format("it says that {} is {}, but sends {}", name_, printable(said), document.digest.str()));
    check_type(document.text, answer.value("type"));
    return document;
  }

  /// The header must say what the document is: one that is an index to one reader and a manifest to another is an
  /// attack (CVE-2021-41190).
  void check_type(const std::string& text, const std::string& type) const {
    bool index = understood([&] { return oci::is_index(text); });
    bool index_type = type == oci::media_type::oci_index || type == oci::media_type::docker_manifest_list;
    bool manifest_type = type == oci::media_type::oci_manifest || type == oci::media_type::docker_manifest;
    if (index ? !index_type : !manifest_type)
      throw lies(fmt::format("it sends {} of {} as \"{}\"", index ? "an index" : "a manifest", name_,
                             printable(std::string_view(type).substr(0, 100))));
  }

  Document fetch_top() {
    std::string by = reference_.digest.empty() ? reference_.tag : reference_.digest.str();
    for (place_ = 0;; ++place_) {
      try {
        return fetch_manifest(by, reference_.digest);
      } catch (const Error& e) {
        if (place_ + 1 == places_.size()) throw;
        log::debug("{}: {}", host(), e.message());
      }
    }
  }

  Document find_manifest(const Document& document, int depth) {
    if (!oci::is_index(document.text)) return document;
    if (depth == max_depth) throw invalid_image(name_, fmt::format("indexes nested deeper than {}", max_depth));
    oci::Index index = understood([&] { return oci::parse_index(document.text); });
    std::vector<Choice> offers;
    for (const oci::Descriptor& entry : index.manifests) {
      if (is_attestation(entry)) continue;
      says_index(entry, name_);
      offers.push_back({entry, entry.platform.value_or(oci::Platform::host())});
    }
    if (offers.empty()) throw invalid_image(name_, "the index has no image in it");
    const Choice& choice = choose_platform(offers, wanted_, !options_.platform.empty(), name_);
    Document next = fetch_manifest(choice.manifest.digest.str(), choice.manifest.digest);
    if (next.text.size() != choice.manifest.size)
      throw lies(
          fmt::format("manifest {} has {} bytes, not {}", next.digest.str(), next.text.size(), choice.manifest.size));
    if (oci::is_index(next.text) != says_index(choice.manifest, name_))
      throw invalid_image(name_, "an index is said to be a manifest, or the other way round");
    return find_manifest(next, depth + 1);
  }

  std::string fetch_config(const oci::Descriptor& config) {
    if (config.size > oci::max_config_size)
      throw invalid_image(name_,
                          fmt::format("its config has {} bytes, more than {}", config.size, oci::max_config_size));
    return fetch_small_blob(client_, places_.at(place_), config, "config");
  }

  /// Nothing to fetch: the image is there, maybe under another name.
  std::optional<Loaded> take_if_whole(const oci::Manifest& manifest, PlannedImage image) {
    auto row = store_.database().image(manifest.config.digest.str());
    if (!row || row->manifest_json != image.manifest || !store_.is_whole(*row)) return std::nullopt;
    image.config = row->config_json;
    image.parsed = oci::parse_image_config(image.config);
    check_platform(image.parsed);
    LoadOptions options;
    Intake intake(store_, options, progress_, name_);
    return take_in(store_, {std::move(image)}, intake).at(0);
  }

  void check_platform(const oci::ImageConfig& config) const {
    if (options_.platform.empty() || wanted_.accepts(config.platform)) return;
    throw error(ErrorCode::not_found, "{}: no image for {}", name_, wanted_.str())
        .with_id("E-IMAGE-PLATFORM")
        .with_hint("it has: " + printable(config.platform.str()));
  }

  Loaded fetch(const oci::Manifest& manifest, PlannedImage image) {
    std::vector<std::string> names = {manifest.config.digest.hex()};
    for (const oci::Descriptor& layer : manifest.layers)
      if (!path_exists(store_.paths().blob(layer.digest.hex()))) names.push_back(layer.digest.hex());
    bool told = false;
    BlobLocks locks(store_.paths(), names, [&] {
      if (!told) tell("waiting for another pull", 0, 0, false);
      told = true;
    });
    // Whoever had the locks before may have brought it all.
    if (auto there = take_if_whole(manifest, image)) return *there;
    auto row = store_.database().image(manifest.config.digest.str());
    image.config = row ? row->config_json : fetch_config(manifest.config);
    image.parsed = understood([&] { return oci::parse_image_config(image.config); });
    check_platform(image.parsed);
    check_sizes(manifest);
    try {
      return fetch_layers(manifest, image);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::data_loss || !resumed_) throw;
      // What was left of an earlier try had been damaged since (a power cut): once more, from the beginning.
      log::debug("{}: fetched again from the start", e.message());
    }
    return fetch_layers(manifest, std::move(image));
  }

  Loaded fetch_layers(const oci::Manifest& manifest, PlannedImage image) {
    Downloads downloads(client_, places_from_here(), store_.paths());
    try {
      plan_layers(manifest, image, downloads);
      resumed_ = downloads.resumed();
      ProgressSink sink = [&](const Progress& p) {
        downloads.report(progress_);
        if (progress_) progress_(p);
      };
      LoadOptions options;
      options.max_bytes = options_.max_bytes;
      options.max_entries = options_.max_entries;
      Intake intake(store_, options, progress_ ? sink : progress_, name_);
      downloads.start();
      return take_in(store_, {std::move(image)}, intake).at(0);
    } catch (const Error& e) {
      bool broken_off = e.code() == ErrorCode::unavailable || e.code() == ErrorCode::timeout ||
                        e.code() == ErrorCode::cancelled || e.code() == ErrorCode::internal;
      if (broken_off) {
        downloads.stop();
        throw;
      }
      // Whatever went wrong with a layer's content: the cause is that it is another content.
      auto damaged = e.code() == ErrorCode::resource_exhausted ? std::nullopt : downloads.find_damaged();
      downloads.discard();
      if (damaged) throw lies(fmt::format("what it sends as blob {} has another digest", damaged->str()));
      explain_foreign(manifest, e);
      throw;
    }
  }

  /// A registry that has no such blob need not have it, if it is one that lies elsewhere.
  void explain_foreign(const oci::Manifest& manifest, const Error& e) const {
    if (e.id() != "E-REGISTRY-NOT-FOUND") return;
    for (const oci::Descriptor& layer : manifest.layers) {
      if (!is_foreign(layer.media_type) || e.message().find(layer.digest.hex()) == std::string::npos) continue;
      throw error(ErrorCode::not_found, "{}: registry {} does not keep layer {} itself", name_, host(),
                  layer.digest.str())
          .with_id("E-IMAGE-FOREIGN-LAYER")
          .with_hint("the image says where it lies, but servin asks the registry only");
    }
  }

  const std::vector<RegistryPlace>& places_from_here() {
    here_.assign(places_.begin() + static_cast<std::ptrdiff_t>(place_), places_.end());
    return here_;
  }

  /// What is larger than a layer may be when it is unpacked is not fetched at all: it would fill the disk first.
  void check_sizes(const oci::Manifest& manifest) const {
    std::uint64_t limit = options_.max_bytes != 0 ? options_.max_bytes : archive::ExtractLimits{}.max_bytes;
    for (const oci::Descriptor& layer : manifest.layers) {
      if (layer.size > limit)
        throw error(ErrorCode::resource_exhausted, "{}: layer {} has {} bytes, more than the {} of the limit", name_,
                    layer.digest.str(), layer.size, limit)
            .with_id("E-ARCHIVE-LIMIT");
    }
  }

  void plan_layers(const oci::Manifest& manifest, PlannedImage& image, Downloads& downloads) {
    Known known = known_things(store_);
    std::map<std::string, std::size_t> asked;
    for (const oci::Descriptor& layer : manifest.layers) {
      LayerSource source;
      source.digest = layer.digest;
      source.size = layer.size;
      std::string hex = layer.digest.hex();
      std::string stored = store_.paths().blob(hex);
      if (known.blobs.contains(hex)) {
        source.open = [stored, size = layer.size]() -> std::unique_ptr<archive::ByteSource> {
          return std::make_unique<archive::FdSource>(open_file(stored, O_RDONLY | O_NOFOLLOW), stored);
        };
      } else {
        auto [at, added] = asked.try_emplace(hex, 0);
        if (added) {
          at->second = downloads.add(layer);
          source.kept_at = downloads.file(at->second);
        }
        source.open = [&downloads, number = at->second] { return downloads.open(number); };
      }
      image.layers.push_back(std::move(source));
    }
    pair_layers(image, name_);
  }

  ImageStore& store_;
  transfer::Client& client_;
  const std::vector<RegistryPlace>& places_;
  std::vector<RegistryPlace> here_;
  std::size_t place_ = 0;
  const oci::Reference& reference_;
  std::string name_;
  const PullOptions& options_;
  const ProgressSink& progress_;
  oci::Platform wanted_;
  bool resumed_ = false;
};

}  // namespace

Pulled pull(ImageStore& store, transfer::Client& client, const std::vector<RegistryPlace>& places,
            const oci::Reference& reference, const PullOptions& options, const ProgressSink& progress) {
  try {
    store.sweep();
    drop_downloads(store.paths(), keep_downloads, false);
    return Puller(store, client, places, reference, options, progress).run();
  } catch (Error& e) {
    explain_full_disk(e, "pull " + reference.familiar(), store.paths());
    throw;
  }
}

}  // namespace servin::image
