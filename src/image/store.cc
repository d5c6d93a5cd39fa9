// SPDX-License-Identifier: Apache-2.0
#include "image/store.h"

#include <algorithm>
#include <map>

#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "image/built_in.h"
#include "image/names.h"
#include "image/scratch.h"
#include "os/file.h"

namespace servin::image {

namespace {

void check_platform(const Image& image, const std::string& text, const std::string& platform) {
  if (platform.empty()) return;
  oci::Platform wanted = oci::Platform::parse(platform);
  if (wanted.accepts(image.config.platform)) return;
  throw error(ErrorCode::not_found, "image {} is for {}, not for {}", text, image.config.platform.str(), wanted.str())
      .with_id("E-IMAGE-PLATFORM")
      .with_hint("load it again with --platform " + wanted.str());
}

}  // namespace

Image Image::from_row(const state::ImageRow& row, std::vector<std::string> references) {
  try {
    Image image;
    image.id = row.id;
    image.manifest_digest = oci::Digest::parse(row.manifest_digest);
    image.manifest_json = row.manifest_json;
    image.config_json = row.config_json;
    image.config = oci::parse_image_config(row.config_json);
    for (const std::string& hex : split(row.chain_ids, ' '))
      if (!hex.empty()) image.chain.push_back(oci::Digest::from_hex(hex));
    image.references = std::move(references);
    image.size = row.size;
    image.created = row.created;
    return image;
  } catch (const Error& e) {
    throw error(ErrorCode::data_loss, "image {} is damaged in the database: {}", row.id, e.what())
        .with_id("E-IMAGE-DAMAGED")
        .with_hint("servin system doctor --repair, then load it again");
  }
}

ImageStore::ImageStore(const Paths& paths, state::Database& db, LayerStore& layers)
    : paths_(paths), db_(db), layers_(layers) {}

std::optional<Image> ImageStore::find_by_digest(const oci::Reference& reference) {
  for (const state::ReferenceRow& row : db_.references()) {
    oci::Reference known = oci::Reference::parse(row.reference);
    if (known.registry != reference.registry || known.repository != reference.repository) continue;
    auto image = db_.image(row.image_id);
    if (image && (image->manifest_digest == reference.digest.str() || known.digest == reference.digest))
      return Image::from_row(*image, db_.references_of(image->id));
  }
  return std::nullopt;
}

std::optional<Image> ImageStore::find_by_name(const std::vector<oci::Reference>& names) {
  for (const oci::Reference& name : names) {
    if (!name.digest.empty()) {
      if (auto image = find_by_digest(name)) return image;
    } else if (auto id = db_.reference(name.str())) {
      if (auto row = db_.image(*id)) return Image::from_row(*row, db_.references_of(*id));
    }
  }
  return std::nullopt;
}

std::optional<Image> ImageStore::find_by_id(const std::string& text) {
  std::string hex = id_prefix(text);
  if (hex.empty()) return std::nullopt;
  std::vector<state::ImageRow> rows = db_.images_by_prefix(hex);
  if (rows.size() > 1)
    throw error(ErrorCode::conflict, "{} is the start of several images' ids", text)
        .with_id("E-IMAGE-AMBIGUOUS")
        .with_hint("give more digits: servin image ls --no-trunc shows them all");
  if (rows.empty()) return std::nullopt;
  return Image::from_row(rows[0], db_.references_of(rows[0].id));
}

/// Names before ids: "cafe" is both.
std::optional<Image> ImageStore::find(const std::string& text) {
  std::vector<oci::Reference> names;
  std::optional<Error> not_a_name;
  try {
    names = names_of(text);
  } catch (const Error& e) {
    not_a_name = e;
  }
  if (auto image = find_by_name(names)) return image;
  if (!names.empty() && other_names_)
    if (auto image = find_by_name(other_names_(text))) return image;
  if (auto image = find_by_id(text)) return image;
  if (not_a_name && id_prefix(text).empty()) throw *not_a_name;
  return std::nullopt;
}

std::string ImageStore::meant(const Image& image, const std::string& text) {
  for (const std::string& reference : image.references)
    if (names_it(text, reference)) return reference;
  if (!other_names_) return "";
  for (const oci::Reference& name : other_names_(text))
    if (std::ranges::find(image.references, name.str()) != image.references.end()) return name.str();
  return "";
}

Image ImageStore::resolve(const std::string& text, const std::string& platform) {
  std::optional<Image> image = find(text);
  if (!image && is_built_in(text)) {
    make_built_in(*this);
    image = find(text);
  }
  if (!image) throw not_found(text);
  check_platform(*image, text, platform);
  return std::move(*image);
}

Error ImageStore::not_found(const std::string& text) {
  std::vector<std::string> known = {"base"};
  for (const state::ReferenceRow& row : db_.references()) {
    oci::Reference reference = oci::Reference::parse(row.reference);
    known.push_back(reference.familiar());
    if (reference.tag == "latest") known.push_back(reference.familiar_name());
  }
  std::string hint = did_you_mean_hint(text, known);
  if (hint.empty()) hint = "servin image load FILE brings an image in, servin image ls lists those that are here";
  return error(ErrorCode::not_found, "there is no image \"{}\"", printable(text.substr(0, 200)))
      .with_id("E-IMAGE-NOT-FOUND")
      .with_hint(hint);
}

std::vector<Image> ImageStore::list() {
  std::map<std::string, std::vector<std::string>> names;
  for (const state::ReferenceRow& row : db_.references()) names[row.image_id].push_back(row.reference);
  std::vector<Image> images;
  for (const state::ImageRow& row : db_.images()) {
    try {
      images.push_back(Image::from_row(row, names[row.id]));
    } catch (const Error& e) {
      // One damaged image must not hide the others.
      log::warn("{}", e.what());
    }
  }
  return images;
}

void ImageStore::tag(const std::string& image, const std::string& reference) {
  Image found = resolve(image);
  oci::Reference name = oci::Reference::parse(reference);
  if (!name.digest.empty())
    throw error(ErrorCode::invalid_argument, "cannot tag as {}: a digest names content, it cannot be given", reference)
        .with_hint("write NAME:TAG");
  if (name.str() == built_in_reference)
    throw error(ErrorCode::invalid_argument, "cannot tag as {}: it is the built-in image's name", reference)
        .with_hint("choose another name");
  if (!db_.set_reference(name.str(), found.id)) throw not_found(image);  // removed since it was found
}

bool ImageStore::is_whole(const state::ImageRow& row) {
  try {
    for (const oci::Descriptor& layer : oci::parse_manifest(row.manifest_json).layers)
      if (!path_exists(paths_.blob(layer.digest.hex()))) return false;
    for (const oci::Digest& chain : oci::chain_ids(oci::parse_image_config(row.config_json).diff_ids))
      if (!layers_.has(chain)) return false;
  } catch (const Error&) {
    return false;
  }
  return true;
}

std::vector<ImageStore::LayerHistory> ImageStore::history(const Image& image) {
  std::vector<oci::Digest> chain = oci::chain_ids(image.config.diff_ids);
  std::vector<LayerHistory> entries;
  std::size_t layer = 0;
  for (const oci::HistoryEntry& entry : image.config.history) {
    LayerHistory line{entry.created, entry.created_by, entry.comment, 0, entry.empty_layer};
    if (!entry.empty_layer && layer < chain.size()) line.size = layers_.size(chain[layer++]);
    entries.push_back(std::move(line));
  }
  // Layers of tools that write no history come first, as docker shows them.
  std::vector<LayerHistory> missing;
  for (; layer < chain.size(); ++layer) missing.push_back({"", "<missing>", "", layers_.size(chain[layer]), false});
  entries.insert(entries.begin(), missing.begin(), missing.end());
  return entries;
}

std::vector<ImageStore::Template> ImageStore::templates() {
  return {{"base", "BusyBox (" + std::string(built_in_reference) + "): a shell and the small tools"}};
}

Image ImageStore::create_template(const std::string& name, const std::string& reference) {
  if (name != "base" && name != built_in_reference)
    throw error(ErrorCode::not_found, "there is no template \"{}\"", printable(name.substr(0, 100)))
        .with_id("E-TEMPLATE-NOT-FOUND")
        .with_hint("the templates: base");
  tag(std::string(built_in_reference), reference);
  return resolve(reference);
}

}  // namespace servin::image
