// SPDX-License-Identifier: Apache-2.0
// --mount key=value,...
#include "engine/option_error.h"
#include "engine/options.h"

namespace servin::engine {
namespace {

using detail::bad_value;
using detail::is_propagation;
using detail::parse_octal;
using detail::parse_tmpfs_size;

// One record of RFC 4180, as docker reads --mount: a field with a comma stands in double quotes.
std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> fields(1);
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      fields.back() += '"', ++i;
    } else if (c == '"' && (inside || fields.back().empty())) {
      inside = !inside;
    } else if (c == ',' && !inside) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (inside) throw bad_value(text, "a double quote is not closed");
  return fields;
}

bool parse_flag(std::string_view text, std::string_view key, std::string_view value, bool has_value) {
  if (!has_value) return true;
  std::string word = lower(value);
  if (word == "true" || word == "1" || word == "t") return true;
  if (word == "false" || word == "0" || word == "f") return false;
  throw bad_value(text, fmt::format("{} is true or false, not {}", key, quoted(value)));
}

class MountParser {
 public:
  MountParser(std::string_view text, const std::string& cwd, const std::string& home)
      : text_(text), cwd_(cwd), home_(home) {
    mount_.type = MountSpec::Type::volume;
  }
  MountSpec parse() {
    for (const auto& field : split_csv(text_)) take(field);
    finish();
    return std::move(mount_);
  }

 private:
  void take(const std::string& field) {
    auto equals = field.find('=');
    std::string key = lower(std::string_view(field).substr(0, equals));
    std::string value = equals == std::string::npos ? "" : field.substr(equals + 1);
    bool has_value = equals != std::string::npos;
    if (take_flag(key, value, has_value)) return;
    if (!has_value)
      throw bad_value(text_, fmt::format("the field {} must be key=value", quoted(field)))
          .with_hint("write it as type=bind,source=/path,target=/path[,readonly]");
    if (!take_common(key, value) && !take_special(key, value)) throw unknown(key);
  }
  bool take_flag(std::string_view key, std::string_view value, bool has_value) {
    if (key == "readonly" || key == "ro") {
      mount_.read_only = parse_flag(text_, key, value, has_value);
    } else if (key == "volume-nocopy") {
      mount_.no_copy = parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::volume);
    } else if (key == "idmap" || key == "u" || key == "chown") {
      mount_.idmap = parse_flag(text_, key, value, has_value);
      for_folders_ = for_folders_ || mount_.idmap;
    } else if (key == "bind-nonrecursive") {
      mount_.recursive = !parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::bind);
    } else if (key == "bind-create-src" || key == "create-host-path" || key == "bind-create-host-path") {
      mount_.create_source = parse_flag(text_, key, value, has_value);
      only_for(key, MountSpec::Type::bind);
    } else {
      return false;
    }
    return true;
  }
  bool take_common(std::string_view key, const std::string& value) {
    if (key == "type") {
      set_type(value);
    } else if (key == "source" || key == "src") {
      mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = detail::check_target(text_, value);
    } else if (key == "consistency") {
      // For shares of macOS; a mount of the same kernel is always consistent.
    } else {
      return false;
    }
    return true;
  }
  bool take_special(std::string_view key, const std::string& value) {
    if (key == "bind-propagation") {
      if (!is_propagation(value)) throw bad_value(text_, "unknown propagation " + quoted(value));
      mount_.propagation = value;
      only_for(key, MountSpec::Type::bind);
    } else if (key == "bind-recursive") {
      set_recursive(value);
      only_for(key, MountSpec::Type::bind);
    } else if (key == "tmpfs-size") {
      mount_.tmpfs_size = parse_tmpfs_size(text_, value);
      only_for(key, MountSpec::Type::tmpfs);
    } else if (key == "tmpfs-mode") {
      mount_.tmpfs_mode = parse_octal(text_, value);
      only_for(key, MountSpec::Type::tmpfs);
    } else if (key == "volume-driver") {
      if (value != "local")
        throw error(ErrorCode::unsupported, "volume driver {} is not there", quoted(value))
            .with_id("E-NOT-BUILT")
            .with_hint("use the driver local");
    } else if (key == "volume-label" || key == "volume-opt") {
      auto pair = split_once(value, '=');
      auto& map = key == "volume-opt" ? mount_.volume_options : mount_.volume_labels;
      map[pair ? pair->first : value] = pair ? pair->second : "";
      only_for(key, MountSpec::Type::volume);
    } else if (key == "volume-subpath") {
      set_subpath(key, value);
      only_for(key, MountSpec::Type::volume);
    } else if (key == "image-subpath") {
      set_subpath(key, value);
      only_for(key, MountSpec::Type::image);
    } else if (key == "subpath") {
      set_subpath(key, value);
    } else {
      return false;
    }
    return true;
  }
  // As docker's: read-only mounts below are made read-only too unless "writable" says otherwise; here they always can
  // be.
  void set_recursive(std::string_view value) {
    if (value != "enabled" && value != "disabled" && value != "writable" && value != "readonly")
      throw bad_value(text_, "unknown value " + quoted(value) + " of bind-recursive")
          .with_hint("use bind-recursive=enabled, disabled, writable or readonly");
    mount_.recursive = value != "disabled";
    mount_.writable_below = value == "writable";
    needs_read_only_ = value == "readonly";
  }
  // Where it leads is found out inside the volume, by descriptors; this only keeps mistakes out.
  void set_subpath(std::string_view key, const std::string& value) {
    std::string clean = detail::clean_path(value);
    if (value.empty() || value[0] == '/' || clean == ".." || clean.starts_with("../"))
      throw bad_value(text_, fmt::format("{} {} is not a relative path", key, quoted(value)))
          .with_hint("name a folder or file inside, for example subpath=data/today");
    mount_.subpath = clean == "." ? "" : clean;
  }
  void set_type(std::string_view value) {
    if (value == "bind") {
      mount_.type = MountSpec::Type::bind;
    } else if (value == "volume") {
      mount_.type = MountSpec::Type::volume;
    } else if (value == "tmpfs") {
      mount_.type = MountSpec::Type::tmpfs;
    } else if (value == "image") {
      mount_.type = MountSpec::Type::image;
    } else {
      std::string hint = did_you_mean_hint(value, std::vector<std::string>{"bind", "volume", "tmpfs", "image"});
      throw bad_value(text_, "unknown type " + quoted(value))
          .with_hint(hint.empty() ? "known types: bind volume tmpfs image" : hint);
    }
  }
  void only_for(std::string_view key, MountSpec::Type type) { special_.emplace_back(key, type); }
  Error unknown(std::string_view key) const {
    std::vector<std::string> known = {
        "type",           "source",           "target",           "readonly",     "src",        "dst",
        "destination",    "bind-propagation", "bind-recursive",   "tmpfs-size",   "tmpfs-mode", "volume-nocopy",
        "volume-subpath", "volume-opt",       "create-host-path", "volume-label", "idmap",      "image-subpath"};
    std::string hint = did_you_mean_hint(key, known);
    return bad_value(text_, "unknown key " + quoted(key))
        .with_hint(hint.empty() ? "known keys: " + join(known, " ") : hint);
  }
  void finish() {
    if (mount_.target.empty())
      throw bad_value(text_, "target is missing")
          .with_hint("write it as type=bind,source=/path,target=/path[,readonly]");
    for (const auto& [key, type] : special_)
      if (type != mount_.type) throw bad_value(text_, fmt::format("{} does not go with this type", key));
    if (for_folders_ && mount_.type != MountSpec::Type::bind && mount_.type != MountSpec::Type::volume)
      throw bad_value(text_, "idmap is for folders of the host and volumes");
    if (needs_read_only_ && !mount_.read_only)
      throw bad_value(text_, "bind-recursive=readonly needs readonly").with_hint("add readonly");
    if (!mount_.subpath.empty() && mount_.type != MountSpec::Type::volume && mount_.type != MountSpec::Type::image)
      throw bad_value(text_, "subpath is for volumes and images").with_hint("name the folder itself as the source");
    switch (mount_.type) {
      case MountSpec::Type::bind:
        return finish_bind();
      case MountSpec::Type::volume:
        if (!mount_.source.empty()) detail::check_volume_name(text_, mount_.source);
        return;
      case MountSpec::Type::tmpfs:
        if (!mount_.source.empty()) throw bad_value(text_, "a tmpfs has no source");
        return;
      case MountSpec::Type::image:
        if (mount_.source.empty()) throw bad_value(text_, "source is missing: the image");
        // What is written would be lost with the container, and docker has it read-only too.
        mount_.read_only = true;
        return;
    }
  }
  void finish_bind() {
    mount_.source = detail::resolve_host_path(mount_.source, cwd_, home_);
    if (mount_.source.empty()) throw bad_value(text_, "source is missing: a folder or file of the host");
    if (mount_.source[0] != '/') mount_.source = detail::clean_path(cwd_ + "/" + mount_.source);
  }

  std::string_view text_;
  const std::string& cwd_;
  const std::string& home_;
  MountSpec mount_;
  std::vector<std::pair<std::string, MountSpec::Type>> special_;
  bool for_folders_ = false;
  bool needs_read_only_ = false;
};

}  // namespace

MountSpec parse_mount(std::string_view text, const std::string& cwd, const std::string& home) {
  return MountParser(text, cwd, home).parse();
}

}  // namespace servin::engine
