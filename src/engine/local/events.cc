// SPDX-License-Identifier: Apache-2.0
// events: writing them down, reading them back.
#include <algorithm>

#include "base/strings.h"
#include "engine/local/event_stream.h"
#include "engine/local/filters.h"
#include "engine/local/local.h"
#include "os/file.h"
#include "os/journal.h"

namespace servin::engine {
namespace {

using Values = std::vector<std::string>;

template <typename F>
bool any(const Values& values, F matches) {
  return std::any_of(values.begin(), values.end(), matches);
}

std::string attribute(const Event& e, const std::string& key) {
  auto found = e.attributes.find(key);
  return found == e.attributes.end() ? "" : found->second;
}

// The object itself, or one that takes part in it (a container that is connected to a network).
bool is_about(const Event& e, const std::string& type, const std::string& text) {
  if (e.type == type) return e.id.starts_with(text) || attribute(e, "name") == text;
  std::string other = attribute(e, type);
  return !other.empty() && (other == text || (other.size() == 64 && other.starts_with(text)));
}

std::string with_tag(const std::string& name) {
  auto slash = name.find_last_of('/');
  bool tagged = name.find_first_of(":@", slash == std::string::npos ? 0 : slash) != std::string::npos;
  return tagged ? name : name + ":latest";
}

bool is_of_image(const Event& e, const std::string& text) {
  if (e.type == "image") return e.id.starts_with(text) || with_tag(attribute(e, "name")) == with_tag(text);
  std::string image = attribute(e, "image");
  return !image.empty() && with_tag(image) == with_tag(text);
}

// "exec_start" means "exec_start: sh -c true" too.
bool is_action(const Event& e, const std::string& text) {
  return e.action == text || (e.action.starts_with(text) && e.action.substr(text.size()).starts_with(":"));
}

bool matches_one(const Event& e, const std::string& key, const Values& values) {
  if (key == "event") return any(values, [&](const std::string& v) { return is_action(e, v); });
  if (key == "type") return any(values, [&](const std::string& v) { return e.type == v; });
  if (key == "scope") return any(values, [](const std::string& v) { return v == "local"; });
  if (key == "label") return has_labels(e.attributes, values);
  if (key == "image") return any(values, [&](const std::string& v) { return is_of_image(e, v); });
  return any(values, [&](const std::string& v) { return is_about(e, key, v); });
}

bool passes(const Event& e, const FilterMap& filters) {
  return std::all_of(filters.begin(), filters.end(), [&](const auto& f) { return matches_one(e, f.first, f.second); });
}

}  // namespace

void LocalEngine::emit(const std::vector<EventRecord>& events) noexcept {
  try {
    std::string lines;
    for (const auto& event : events) lines += event_line(event);
    // The first command of an engine, or after a reboot, may need no run folder of its own: volume create, load.
    if (!path_exists(paths_.run)) make_dirs(paths_.run);
    append_lines(paths_.events(), lines);
  } catch (const std::exception&) {  // no memory
  }
}

void LocalEngine::emit(const std::string& type, const std::string& action, const std::string& id,
                       const Attributes& attributes) noexcept {
  try {
    emit({EventRecord{now(), type, action, id, attributes}});
  } catch (const std::exception&) {  // no memory
  }
}

EventRecord LocalEngine::container_event(const ContainerConfig& config, const std::string& action,
                                         const Attributes& more) {
  EventRecord event{now(), "container", action, config.id, more};
  event.attributes["image"] = config.image_name;
  event.attributes["name"] = config.request.name;
  event.attributes.insert(config.labels.begin(), config.labels.end());
  return event;
}

EventRecord LocalEngine::row_event(const Row& row, const std::string& action, const Attributes& more) {
  try {
    return container_event(load_container(row).config, action, more);
  } catch (const Error&) {
    // A damaged record: something happened to it all the same.
    return {now(), "container", action, row.id, {{"name", row.name}}};
  }
}

void LocalEngine::emit(const Row& row, const std::string& action, const Attributes& more) noexcept {
  try {
    emit({row_event(row, action, more)});
  } catch (const std::exception&) {  // no memory
  }
}

void LocalEngine::events(const EventRequest& request, const EventSink& sink) {
  check_filter_keys(request.filters, {"container", "event", "image", "label", "network", "scope", "type", "volume"});
  EventStream stream(paths_.events(), request.since || request.until);
  // The end of a container whose supervisor was killed is told by who sees it first: that may be us.
  for (const auto& row : db_.containers()) {
    ContainerState state;
    settle_if_needed(row, state);
  }
  bool wanted = true;
  auto visit = [&](const Event& e) {
    if (!wanted || (request.since && e.time < *request.since) || (request.until && e.time > *request.until)) return;
    if (passes(e, request.filters)) wanted = sink(e);
  };
  for (bool more = true; more && wanted;) {
    bool over = request.until && now() >= *request.until;
    stream.read(visit);
    if (over) return;
    if (wanted) more = stream.wait(request.until);
  }
}

}  // namespace servin::engine
