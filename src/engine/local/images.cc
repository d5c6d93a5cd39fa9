// SPDX-License-Identifier: Apache-2.0
// Images: the store's work in the engine's words.
#include <algorithm>

#include "base/strings.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "engine/local/records.h"
#include "image/load.h"
#include "image/save.h"

namespace servin::engine {
namespace {

image::ProgressSink forward(const ProgressSink& sink) {
  if (!sink) return {};
  return [&sink](const image::Progress& p) { sink({p.step, p.object, p.done, p.total, p.finished}); };
}

std::string digest_reference(const std::string& full, const oci::Digest& manifest) {
  return oci::Reference::parse(full).familiar_name() + "@" + manifest.str();
}

ImageSummary summarise(const image::Image& image) {
  ImageSummary s;
  s.id = image.id;
  s.repo_tags = image.references;
  s.manifest_digest = image.manifest_digest.str();
  for (const auto& reference : image.references) {
    std::string text = digest_reference(reference, image.manifest_digest);
    if (std::find(s.repo_digests.begin(), s.repo_digests.end(), text) == s.repo_digests.end())
      s.repo_digests.push_back(std::move(text));
  }
  s.created = image.created;
  s.size = image.size;
  s.labels = image.config.labels;
  s.platform = image.config.platform.str();
  return s;
}

/// Of an event; the name "" or an id: it has none (any more).
std::map<std::string, std::string> named(const std::string& id, const std::string& name) {
  bool nameless = name.empty() || id == name || id.starts_with("sha256:" + name);
  return {{"name", nameless ? id : oci::Reference::parse(name).familiar()}};
}

/// For news about it: what was written when there is none of that name.
std::string id_of(image::ImageStore& images, const std::string& text) {
  try {
    return images.resolve(text).id;
  } catch (const Error&) {
    return text;
  }
}

// "alpine", "alpine:3.*", "localhost/*": docker's pattern over the familiar name, with or without the tag.
bool glob(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (glob(pattern.substr(1), text.substr(i))) return true;
      if (i < text.size() && text[i] == '/') break;
    }
    return false;
  }
  if (text.empty() || (pattern[0] != '?' && pattern[0] != text[0])) return false;
  return glob(pattern.substr(1), text.substr(1));
}

bool matches_reference(const image::Image& image, const std::string& pattern) {
  return std::any_of(image.references.begin(), image.references.end(), [&](const std::string& full) {
    auto reference = oci::Reference::parse(full);
    return glob(pattern, reference.familiar()) || glob(pattern, reference.familiar_name()) || glob(pattern, full);
  });
}

bool matches_image(const image::Image& image, const FilterMap& filters) {
  for (const auto& [key, values] : filters) {
    auto any = [&](auto matches) { return std::any_of(values.begin(), values.end(), matches); };
    if (key == "label" && !has_labels(image.config.labels, values)) return false;
    if (key == "reference" && !any([&](const std::string& v) { return matches_reference(image, v); })) return false;
    if (key == "dangling" &&
        !any([&](const std::string& v) { return parse_bool_filter(key, v) == image.references.empty(); }))
      return false;
    if (key == "until" && !any([&](const std::string& v) { return image.created < parse_since(v, now()); }))
      return false;
  }
  return true;
}

}  // namespace

std::vector<LoadedImage> LocalEngine::load(const Fd& archive, const std::string& path, const LoadRequest& request,
                                           const ProgressSink& progress) {
  image::LoadOptions options;
  options.name = request.name;
  options.platform = request.platform;
  options.max_entries = request.max_entries;
  options.max_bytes = request.max_bytes;
  options.changes = request.changes;
  options.message = request.message;
  sweep_what_was_left();  // it may need the room
  std::vector<LoadedImage> result;
  for (auto& loaded : image::load(images_, archive, path, options, forward(progress)))
    result.push_back({std::move(loaded.id), std::move(loaded.reference), loaded.existed});
  for (const auto& loaded : result)
    emit("image", request.name.empty() ? "load" : "import", loaded.id, named(loaded.id, loaded.reference));
  return result;
}

void LocalEngine::save(const std::vector<std::string>& images, SaveFormat format, const Fd& out,
                       const ProgressSink& progress) {
  auto form = format == SaveFormat::oci_archive ? image::SaveForm::oci_archive : image::SaveForm::docker_archive;
  image::save(images_, images, form, out, "the archive", forward(progress));
  for (const auto& name : images) {
    std::string id = id_of(images_, name);
    emit("image", "save", id, named(id, name));
  }
}

std::vector<ImageSummary> LocalEngine::list_images(const ImageFilter& filter) {
  sweep_what_was_left();
  check_filter_keys(filter.filters, {"dangling", "label", "reference", "before", "since", "until"});
  std::vector<image::Image> images = images_.list();
  auto created = [&](const std::string& name) { return images_.resolve(name).created; };
  if (auto before = filter.filters.find("before"); before != filter.filters.end())
    for (const auto& name : before->second)
      std::erase_if(images, [t = created(name)](const image::Image& i) { return i.created >= t; });
  if (auto since = filter.filters.find("since"); since != filter.filters.end())
    for (const auto& name : since->second)
      std::erase_if(images, [t = created(name)](const image::Image& i) { return i.created <= t; });
  std::map<std::string, std::int64_t> uses;
  for (const auto& row : db_.containers()) ++uses[row.image_id];
  std::vector<ImageSummary> result;
  for (const auto& image : images) {
    if (!matches_image(image, filter.filters)) continue;
    result.push_back(summarise(image));
    result.back().containers = uses[image.id];
  }
  return result;
}

ImageDetail LocalEngine::inspect_image(const std::string& text) {
  image::Image image = images_.resolve(text);
  ImageDetail detail;
  detail.summary = summarise(image);
  detail.summary.containers = static_cast<std::int64_t>(db_.containers_of_image(image.id).size());
  detail.config_json = image.config_json;
  detail.manifest_json = image.manifest_json;
  for (const auto& diff : image.config.diff_ids) detail.diff_ids.push_back(diff.str());
  for (auto& h : images_.history(image)) {
    ImageHistory entry;
    entry.created = parse_time(h.created).value_or(Time{});
    entry.created_by = std::move(h.created_by);
    entry.comment = std::move(h.comment);
    entry.size = h.size;
    entry.empty_layer = h.empty_layer;
    detail.history.push_back(std::move(entry));
  }
  return detail;
}

void LocalEngine::tag(const std::string& image, const std::string& reference) {
  images_.tag(image, reference);
  std::string id = id_of(images_, reference);
  emit("image", "tag", id, named(id, reference));
}

std::vector<std::string> LocalEngine::mounting_image(const std::string& image_id) {
  std::vector<std::string> names;
  for (const auto& row : db_.containers()) {
    if (row.image_id == image_id || row.config_json.find(image_id) == std::string::npos) continue;
    const auto mounts = load_container(row).config.request.mounts;
    bool uses = std::any_of(mounts.begin(), mounts.end(), [&](const MountSpec& m) { return m.image_id == image_id; });
    if (uses) names.push_back(row.name);
  }
  return names;
}

RemovedImage LocalEngine::remove_image(const std::string& text, bool force) {
  auto users_of = [this](const std::string& image_id) {
    image::ImageStore::Users users;
    // Whether it runs or not: the layers under a mount cannot be kept without the image.
    users.running = mounting_image(image_id);
    for (const auto& id : db_.containers_of_image(image_id)) {
      auto row = db_.container(id);
      ContainerState state;
      // What was left behind by a killed command does not keep an image.
      if (!row || !settle_if_needed(*row, state)) continue;
      bool running = state.status == Status::running || state.status == Status::paused ||
                     state.status == Status::restarting || is_being_made(*row);
      (running ? users.running : users.stopped).push_back(row->name);
    }
    return users;
  };
  std::string id = id_of(images_, text);
  auto removed = images_.remove(text, force, users_of);
  for (const auto& reference : removed.untagged) emit("image", "untag", id, named(id, reference));
  for (const auto& gone : removed.deleted) emit("image", "delete", gone, named(gone, ""));
  spawn_sweeper();
  return {std::move(removed.untagged), std::move(removed.deleted)};
}

PruneResult LocalEngine::prune_images(bool all, const Filters& filters, bool dry_run) {
  check_filter_keys(filters, {"until", "label", "label!", "dangling"});
  if (auto dangling = filters.find("dangling"); dangling != filters.end())
    for (const auto& value : dangling->second) all = all || !parse_bool_filter("dangling", value);
  auto wanted = [&](const image::Image& image) {
    if (!all && !image.references.empty()) return false;
    if (!db_.containers_of_image(image.id).empty() || !mounting_image(image.id).empty()) return false;
    return matches_prune(filters, image.config.labels, image.created);
  };
  std::map<std::string, std::vector<std::string>> names;
  for (auto& image : images_.list()) names[image.id] = std::move(image.references);
  auto pruned = images_.prune(wanted, dry_run);
  if (!dry_run) {
    for (const auto& id : pruned.deleted) {
      for (const auto& reference : names[id]) emit("image", "untag", id, named(id, reference));
      emit("image", "delete", id, named(id, ""));
    }
    emit("image", "prune", "", {{"reclaimed", std::to_string(pruned.reclaimed)}});
    spawn_sweeper();
  }
  return {std::move(pruned.deleted), pruned.reclaimed};
}

std::vector<Engine::Template> LocalEngine::list_templates() {
  std::vector<Template> result;
  for (auto& t : images_.templates()) result.push_back({std::move(t.name), std::move(t.description)});
  return result;
}

LoadedImage LocalEngine::create_template(const std::string& name, const std::string& reference) {
  auto image = images_.create_template(name, reference);
  LoadedImage made{image.id, oci::Reference::parse(reference.empty() ? name : reference).str(), false};
  emit("image", "load", made.id, named(made.id, made.reference));
  return made;
}

}  // namespace servin::engine
